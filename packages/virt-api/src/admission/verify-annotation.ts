import { names } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import type { FieldProblem } from '../refuse.ts';

/** Anything but the two words would mean "no" in silence. What was let in before is let be. */
export function verifyAnnotationProblems(object: KubeObject, old: KubeObject | undefined): FieldProblem[] {
  const value = object.metadata.annotations?.[names.verifyAnnotation];
  if (value === undefined || value === 'true' || value === 'false') return [];
  if (value === old?.metadata.annotations?.[names.verifyAnnotation]) return [];
  return [
    {
      field: `metadata.annotations[${names.verifyAnnotation}]`,
      message: `must be "true" or "false", not "${value}"`,
      reason: 'FieldValueNotSupported',
    },
  ];
}
