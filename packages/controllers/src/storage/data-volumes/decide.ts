import { names, populationKind, withCondition } from '@godwit/api';
import type { Condition, DataVolume, DataVolumePhase, PersistentVolumeClaim, StorageClass, Stored } from '@godwit/api';
import { normal, warning } from '../../virt/planned-event.ts';
import type { PlannedEvent } from '../../virt/planned-event.ts';
import { waitsForConsumer } from '../storage-class.ts';
import { claimMarks, desiredClaim, sourceKind } from './desired-claim.ts';
import type { Defaults, SourceKind } from './desired-claim.ts';

export interface DataVolumeSeen extends Defaults {
  readonly dataVolume: Stored<DataVolume>;
  /** The claim of the same name, whoever made it. */
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
  /** The class the existing claim names. */
  readonly claimClass: StorageClass | undefined;
}

export type DataVolumeStep =
  | { readonly do: 'create-claim'; readonly claim: PersistentVolumeClaim }
  /** Makes an existing claim ours. */
  | { readonly do: 'adopt-claim' };

export interface DataVolumePlan {
  readonly status: NonNullable<DataVolume['status']>;
  readonly events: readonly PlannedEvent[];
  readonly step?: DataVolumeStep;
}

interface Finding {
  readonly phase: DataVolumePhase;
  readonly bound: Condition;
  readonly running: Condition;
  readonly ready?: { reason: string; message: string };
  readonly progress?: string;
  readonly step?: DataVolumeStep;
  readonly event?: PlannedEvent;
}

/** Phase, conditions and next step of a DataVolume, from its claim and what node agents report on it. */
export function decideDataVolume(seen: DataVolumeSeen, nowMs: number): DataVolumePlan {
  const { dataVolume } = seen;
  const old = dataVolume.status ?? {};
  if (dataVolume.metadata.deletionTimestamp !== undefined) return { status: old, events: [] };
  const found = find(seen);
  const done = found.phase === 'Succeeded';
  const ready: Condition = {
    type: 'Ready',
    status: done ? 'True' : 'False',
    reason: found.ready?.reason ?? (done ? '' : (found.running.reason ?? '')),
    message: found.ready?.message ?? '',
  };
  let conditions: readonly Condition[] = old.conditions ?? [];
  for (const condition of [found.bound, found.running, ready]) {
    conditions = withCondition(conditions, condition, nowMs);
  }
  const changed = (old.phase ?? '') !== found.phase;
  return {
    status: {
      ...old,
      claimName: dataVolume.metadata.name,
      phase: found.phase,
      progress: found.progress ?? (done ? '100.0%' : 'N/A'),
      restartCount: old.restartCount ?? 0,
      conditions: [...conditions],
    },
    events: [...(changed ? phaseEvents(found, dataVolume) : []), ...(found.event ? [found.event] : [])],
    ...(found.step ? { step: found.step } : {}),
  };
}

function notRunning(reason: string, message: string): Condition {
  return { type: 'Running', status: 'False', reason, message };
}

function notBound(status: 'False' | 'Unknown', reason: string, message: string): Condition {
  return { type: 'Bound', status, reason, message };
}

function find(seen: DataVolumeSeen): Finding {
  const { claim, dataVolume } = seen;
  const { name } = dataVolume.metadata;
  if (!claim) return findWithoutClaim(seen);
  if (claim.metadata.deletionTimestamp !== undefined) {
    const message = `PVC ${name} is being deleted`;
    return { phase: 'Pending', bound: notBound('Unknown', 'Deleting', message), running: notRunning('', message) };
  }
  const owned = (claim.metadata.ownerReferences ?? []).some((owner) => owner.uid === dataVolume.metadata.uid);
  const populated = claim.metadata.annotations?.[claimMarks.populatedFor] === name;
  const adopting = dataVolume.metadata.annotations?.[claimMarks.allowAdoption] === 'true';
  if (!owned && !populated) {
    const foreign = (claim.metadata.ownerReferences ?? []).some((owner) => owner.controller === true);
    if (adopting && !foreign) return { ...findBinding(seen, claim), step: { do: 'adopt-claim' } };
    const message = `Resource "${name}" already exists and is not managed by DataVolume`;
    return {
      phase: 'Pending',
      bound: notBound('Unknown', 'ErrResourceExists', message),
      running: notRunning('ErrResourceExists', message),
      event: warning('ErrResourceExists', message),
    };
  }
  return findBinding(seen, claim);
}

function findWithoutClaim(seen: DataVolumeSeen): Finding {
  const { dataVolume } = seen;
  const { name } = dataVolume.metadata;
  const wanted = desiredClaim(dataVolume, seen);
  if ('claim' in wanted) {
    return {
      phase: 'Pending',
      bound: notBound('Unknown', 'NotFound', `No PVC found`),
      running: notRunning('', `PVC ${name} is to be created`),
      step: { do: 'create-claim', claim: wanted.claim },
    };
  }
  const { reason, message } = wanted;
  return {
    phase: reason === 'SourceNotSupported' ? 'Failed' : 'Pending',
    bound: notBound('Unknown', reason, message),
    running: notRunning(reason, message),
    ready: { reason, message },
    event: warning(reason, message),
  };
}

function findBinding(seen: DataVolumeSeen, claim: Stored<PersistentVolumeClaim>): Finding {
  const { name } = seen.dataVolume.metadata;
  switch (claim.status?.phase) {
    case 'Bound':
      return findPopulation(seen, claim, {
        type: 'Bound',
        status: 'True',
        reason: 'Bound',
        message: `PVC ${name} Bound`,
      });
    case 'Lost': {
      const message = `PVC ${name} lost`;
      return {
        phase: 'Failed',
        bound: notBound('False', 'ClaimLost', message),
        running: notRunning('ClaimLost', message),
        ready: { reason: 'ClaimLost', message },
      };
    }
    case 'Pending':
    case undefined: {
      const bound = notBound('False', 'Pending', `PVC ${name} Pending`);
      const marks = claim.metadata.annotations ?? {};
      const settled = [names.selectedNodeAnnotation, names.bindImmediatelyAnnotation].some((mark) => mark in marks);
      if (!waitsForConsumer(seen.claimClass) || settled) {
        return { phase: 'Pending', bound, running: notRunning('Pending', `PVC ${name} is not bound yet`) };
      }
      const message = 'PVC is waiting for its first consumer';
      return {
        phase: 'WaitForFirstConsumer',
        bound,
        running: notRunning('WaitForFirstConsumer', message),
        ready: { reason: 'WaitForFirstConsumer', message },
      };
    }
  }
}

const SCHEDULED: Readonly<Record<SourceKind, DataVolumePhase>> = {
  blank: 'ImportScheduled',
  http: 'ImportScheduled',
  registry: 'ImportScheduled',
  upload: 'UploadScheduled',
};
const RUNNING: Readonly<Record<SourceKind, DataVolumePhase>> = {
  blank: 'ImportInProgress',
  http: 'ImportInProgress',
  registry: 'ImportInProgress',
  upload: 'UploadReady',
};

function findPopulation(seen: DataVolumeSeen, claim: Stored<PersistentVolumeClaim>, bound: Condition): Finding {
  const { dataVolume } = seen;
  const marks = claim.metadata.annotations ?? {};
  const kind = sourceKind(dataVolume) ?? 'blank';
  // A claim that nobody fills (adopted, or filled before) is complete as it is.
  const filled = populationKind(claim) === undefined || marks[claimMarks.populatedFor] !== undefined;
  const stage = filled ? 'Succeeded' : marks[names.populationPhaseAnnotation];
  const message = marks[names.populationMessageAnnotation] ?? '';
  const reported = marks[names.populationProgressAnnotation];
  const progress = reported === undefined ? {} : { progress: reported };
  switch (stage) {
    case 'Succeeded':
      return {
        phase: 'Succeeded',
        bound,
        running: notRunning('Completed', kind === 'upload' ? 'Upload Complete' : 'Import Complete'),
        progress: '100.0%',
      };
    case 'Failed':
      return {
        phase: 'Failed',
        bound,
        running: notRunning('Error', message),
        ready: { reason: 'Error', message },
        ...progress,
      };
    case 'Running': {
      if (kind === 'upload' && marks[names.populationReadyAnnotation] !== 'true') {
        return { phase: SCHEDULED[kind], bound, running: notRunning('Pending', message) };
      }
      const running: Condition = { type: 'Running', status: 'True', reason: 'Pod is running', message };
      return { phase: RUNNING[kind], bound, running, ready: { reason: 'TransferRunning', message }, ...progress };
    }
    default:
      return { phase: SCHEDULED[kind], bound, running: notRunning('Pending', 'waiting for the node agent') };
  }
}

function phaseEvents(found: Finding, dataVolume: Stored<DataVolume>): PlannedEvent[] {
  const { name } = dataVolume.metadata;
  switch (found.phase) {
    case 'WaitForFirstConsumer':
      return [normal('WaitForFirstConsumer', `PVC ${name} Pending: it is bound when its first consumer is scheduled`)];
    case 'Pending':
      return found.event ? [] : [normal('Pending', `PVC ${name} Pending`)];
    case 'ImportScheduled':
      return [normal('ImportScheduled', `Import into ${name} scheduled`)];
    case 'ImportInProgress':
      return [normal('ImportInProgress', `Import into ${name} in progress`)];
    case 'UploadScheduled':
      return [normal('UploadScheduled', `Upload into ${name} scheduled`)];
    case 'UploadReady':
      return [normal('UploadReady', `Upload into ${name} ready`)];
    case 'Succeeded': {
      const verb = sourceKind(dataVolume) === 'upload' ? 'uploaded' : 'imported';
      return [
        normal(verb === 'uploaded' ? 'UploadSucceeded' : 'ImportSucceeded', `Successfully ${verb} into PVC ${name}`),
      ];
    }
    case 'Failed':
      return found.event ? [] : [failureEvent(dataVolume, found.running.message ?? '')];
    case '':
    case 'PVCBound':
    case 'PendingPopulation':
    case 'Unknown':
      return [];
  }
}

function failureEvent(dataVolume: Stored<DataVolume>, why: string): PlannedEvent {
  const [reason, verb] = sourceKind(dataVolume) === 'upload' ? ['UploadFailed', 'upload'] : ['ImportFailed', 'import'];
  return warning(reason, `Failed to ${verb} into PVC ${dataVolume.metadata.name}: ${why}`);
}
