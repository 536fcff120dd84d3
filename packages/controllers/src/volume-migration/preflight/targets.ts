import { isPopulated, names, populationKind } from '@godwit/api';
import { refusal } from '../../storage/claims/desired-volume.ts';
import { storageMarks } from '../../storage/marks.ts';
import { isOurs } from '../../storage/storage-class.ts';
import type { ClaimFacts } from '../../virt/reachable.ts';
import type { VolumeUpdateInput } from '../types.ts';
import type { ChangedVolume, Finding } from './finding.ts';

/** What these checks look at; they hold with and without a guest. */
export type TargetFacts = Pick<VolumeUpdateInput, 'claim' | 'dataVolume'>;

function held(reason: string, object: string, field: string, problem: string, remedy: string): Finding {
  return { verdict: 'hold', reason, object, field, problem, remedy };
}

function missing(input: TargetFacts, { name, to, toDataVolume }: ChangedVolume): Finding | undefined {
  const pvc = input.claim(to).pvc;
  const object = toDataVolume && !input.dataVolume(to) && !pvc ? `DataVolume ${to}` : `PVC ${to}`;
  if (!pvc)
    return held(
      'TargetNotFound',
      object,
      'metadata.name',
      `it does not exist yet, volume ${name} is to move there`,
      'Create it',
    );
  if (pvc.metadata.deletionTimestamp === undefined) return undefined;
  return held(
    'TargetNotFound',
    object,
    'metadata.deletionTimestamp',
    `it is being deleted, volume ${name} is to move there`,
    'Name another claim',
  );
}

/** An import that is still to come would overwrite what has been copied, whichever way the volume names its claim. */
function overwritten(input: TargetFacts, { name, to }: ChangedVolume): Finding | undefined {
  const dataVolume = input.dataVolume(to);
  const { pvc } = input.claim(to);
  if (dataVolume) {
    if (dataVolume.status?.phase === 'Succeeded') return undefined;
    if (dataVolume.spec.source?.blank !== undefined || pvc?.spec.dataSourceRef !== undefined) return undefined;
  } else if (!pvc || isPopulated(pvc) || populationKind(pvc) === 'blank') return undefined;
  const phase = dataVolume?.status?.phase || 'unset';
  return {
    verdict: 'restart',
    reason: 'TargetStillFilled',
    object: dataVolume ? `DataVolume ${to}` : `PVC ${to}`,
    field: dataVolume ? 'spec.source' : `metadata.annotations["${names.populationPhaseAnnotation}"]`,
    problem: `volume ${name} is to move there, but DataVolumes still to be filled by an import (phase ${phase}) would overwrite the copy`,
    remedy: 'Use a DataVolume with source blank, or a plain PVC',
  };
}

/** Everything about the target claims themselves that a copy would find out too late. */
export const targets = (input: TargetFacts, changed: readonly ChangedVolume[]): readonly Finding[] =>
  changed.flatMap((volume) => {
    const filled = overwritten(input, volume);
    const absent = missing(input, volume);
    if (absent) return filled ? [filled, absent] : [absent];
    return [filled, ...state(input, volume)].filter((one) => one !== undefined);
  });

function state(input: TargetFacts, { name, to }: ChangedVolume): Finding[] {
  const facts = input.claim(to);
  const { pvc } = facts;
  if (!pvc) return [];
  const object = `PVC ${to}`;
  const findings: Finding[] = [];
  const modes = pvc.spec.accessModes ?? [];
  if (modes.length > 0 && modes.every((mode) => mode === 'ReadOnlyMany'))
    findings.push(
      held(
        'TargetReadOnly',
        object,
        'spec.accessModes',
        `volume ${name} cannot be written there, its only access mode is ReadOnlyMany`,
        'Name a claim with ReadWriteOnce or ReadWriteMany',
      ),
    );
  if (pvc.status?.phase === 'Bound' && !isPopulated(pvc))
    findings.push(
      held(
        'TargetStillFilled',
        object,
        `metadata.annotations["${names.populationPhaseAnnotation}"]`,
        `it is still being filled, volume ${name} is to move there`,
        'Wait until that has ended; what fills it tells its progress in the annotations of the claim',
      ),
    );
  if (pvc.status?.phase === 'Lost')
    findings.push(
      held(
        'TargetLost',
        object,
        'status.phase',
        `it has lost its PersistentVolume ${pvc.spec.volumeName ?? ''}, volume ${name} is to move there`,
        'Name another claim',
      ),
    );
  if (pvc.status?.phase !== 'Bound' && pvc.status?.phase !== 'Lost')
    findings.push(...unprovisioned(facts, name, object));
  return findings;
}

/** What keeps a claim without a volume from ever getting one. */
function unprovisioned({ pvc, pv, storageClass }: ClaimFacts, name: string, object: string): Finding[] {
  if (!pvc || (pvc.spec.volumeName ?? '') !== '') return [];
  const className = pvc.spec.storageClassName;
  const needed = `volume ${name} is to move there`;
  if (className === '') return [];
  if (!storageClass) {
    const what =
      className === undefined
        ? 'it names no storage class and there is no default one'
        : `StorageClass ${className} does not exist`;
    const remedy = 'Create the class, or name a claim of a class that exists';
    return [held('StorageClassNotFound', object, 'spec.storageClassName', `${what}, ${needed}`, remedy)];
  }
  const refused = isOurs(storageClass) ? refusal(pvc, storageClass) : undefined;
  if (refused !== undefined)
    return [
      held(
        'TargetNotProvisioned',
        object,
        'spec',
        `no volume can be made for it (${refused}), ${needed}`,
        'Create the claim anew with what its class offers',
      ),
    ];
  const error = pv?.metadata.annotations?.[storageMarks.provisionError];
  if (error === undefined) return [];
  const remedy = 'Free space there, or name a smaller claim or one of another class';
  return [held('TargetNotProvisioned', object, 'status.phase', `its volume could not be created: ${error}`, remedy)];
}
