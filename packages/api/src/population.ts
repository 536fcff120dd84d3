import type { PersistentVolumeClaim } from './core-kinds.ts';
import { names } from './names.ts';

/**
 * What is to be written into a claim, by CDI's annotations: `blank`, `http`, `registry`, `upload` or a word that nobody here
 * knows; `undefined` when nobody fills it.
 */
export function populationKind(claim: Pick<PersistentVolumeClaim, 'metadata'>): string | undefined {
  const marks = claim.metadata.annotations ?? {};
  const source = marks[names.importSourceAnnotation];
  if (source !== undefined && source !== '') return source;
  return marks[names.uploadTargetAnnotation] === undefined ? undefined : 'upload';
}

/** True when nothing stands between the claim's bytes and a guest: nobody fills it, or that has ended well. */
export function isPopulated(claim: Pick<PersistentVolumeClaim, 'metadata'>): boolean {
  return (
    populationKind(claim) === undefined || claim.metadata.annotations?.[names.populationPhaseAnnotation] === 'Succeeded'
  );
}
