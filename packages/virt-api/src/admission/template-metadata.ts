import { isObject } from '@godwit/core/json';
import type { FieldProblem } from '../refuse.ts';

const NAME = /^[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

function isKey(key: string): boolean {
  const slash = key.indexOf('/');
  return NAME.test(key.slice(slash + 1)) && (slash < 0 || PREFIX.test(key.slice(0, slash)));
}

function textProblems(value: unknown, field: string, isLabel: boolean): FieldProblem[] {
  if (value === undefined || value === null) return [];
  if (!isObject(value)) return [{ field, message: `must be a map of texts such as {app: "web"}` }];
  return Object.entries(value).flatMap(([key, text]): FieldProblem[] => {
    const at = `${field}[${key}]`;
    if (!isKey(isLabel ? key : key.toLowerCase()))
      return [{ field: at, message: `"${key}" is not a key such as app or example.org/app` }];
    if (typeof text !== 'string')
      return [{ field: at, message: `must be a text; write "${JSON.stringify(text)}" in quotes` }];
    if (isLabel && text !== '' && !NAME.test(text))
      return [
        {
          field: at,
          message: `"${text}" may hold 63 letters, digits, -, _ and . and must begin and end with one of the first two`,
        },
      ];
    return [];
  });
}

/**
 * What would keep an object with this metadata from being created. Schemas cannot say it: the metadata of a template is
 * open there, as in KubeVirt.
 */
export function templateMetadataProblems(metadata: unknown, field: string): FieldProblem[] {
  if (metadata === undefined || metadata === null) return [];
  if (!isObject(metadata)) return [{ field, message: 'must be an object with labels and annotations' }];
  return [
    ...textProblems(metadata['labels'], `${field}.labels`, true),
    ...textProblems(metadata['annotations'], `${field}.annotations`, false),
  ];
}
