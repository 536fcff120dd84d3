import { isTrue, names, podTerminating, withCondition } from '@godwit/api';
import type { Pod, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { agentsEngaged } from '../migration/record.ts';
import { isFinalPod, isFinalVmi, isReceiver, isUnderway, recordedRole } from '../virt/facts.ts';
import { endedSinceMs, isCopying, witnessPatienceMs } from '../volume-migration/recover.ts';
import { awaitsRelease, isFenced, needsFence } from '../virtual-machine/run-strategy.ts';
import { normal } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import { decideConditions } from './conditions.ts';
import { decidePhase, startPod } from './phase.ts';
import { renderLauncherPod } from './render-launcher-pod.ts';
import { judgeVolumes } from './volumes-ready.ts';
import type { SeenVolume, VolumesVerdict } from './volumes-ready.ts';

export interface SeenInstance {
  readonly vmi: Stored<VirtualMachineInstance>;
  /** All launcher pods of the VMI; when none is alive, straight from the API server. */
  readonly pods: readonly Stored<Pod>[];
  readonly volumes: readonly SeenVolume[];
  /** A launcher pod that an earlier VMI of the same name has left: its guest may still run. */
  readonly predecessor?: Stored<Pod> | undefined;
  /** What its guest needs of the node it starts on. */
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** The VM that the VMI belongs to, when there is one. */
  readonly owner?: Stored<VirtualMachine> | undefined;
}

export interface InstancePlan {
  /** The VMI as it should be. */
  readonly next: Stored<VirtualMachineInstance>;
  readonly createPod?: Pod;
  readonly deletePods: readonly Stored<Pod>[];
  readonly events: readonly PlannedEvent[];
  /** Claims to be made on the guest's node. */
  readonly provision?: readonly string[];
  /** It waits for something that may never wake it. */
  readonly lookAgain?: boolean;
}

function podsByUid(pods: readonly Stored<Pod>[]): Record<string, string> {
  return Object.fromEntries(
    pods
      .filter((pod) => !isFinalPod(pod) && pod.spec.nodeName)
      .map((pod) => [pod.metadata.uid, pod.spec.nodeName ?? '']),
  );
}

type Status = NonNullable<VirtualMachineInstance['status']>;

function enterPhase(status: Status, phase: NonNullable<Status['phase']>, nowMs: number): void {
  if (status.phase === phase) return;
  status.phase = phase;
  const seen = status.phaseTransitionTimestamps ?? [];
  status.phaseTransitionTimestamps = [
    ...seen.filter((entry) => entry.phase !== phase),
    { phase, phaseTransitionTimestamp: rfc3339(nowMs) },
  ];
}

/**
 * The guest has ended here: the record of an unfinished migration must not stay open for ever. A peer in another cluster
 * would believe "failed" and end what may run there, so once agents of two clusters are engaged only they say so.
 */
function closeRecord(vmi: Stored<VirtualMachineInstance>, status: Status, message: string, nowMs: number): void {
  const state = status.migrationState;
  if (!state?.migrationUid || state.completed || state.failed) return;
  if (recordedRole(vmi) !== undefined && agentsEngaged(state)) return;
  status.migrationState = {
    ...state,
    completed: true,
    failed: true,
    endTimestamp: state.endTimestamp ?? rfc3339(nowMs),
    failureReason: state.failureReason ?? message,
  };
}

/**
 * A VM that has not seen its guest leave for another cluster would start it here a second time; one that has not seen that it
 * stayed would never.
 */
function awaitsFence(vmi: Stored<VirtualMachineInstance>, owner: Stored<VirtualMachine> | undefined): boolean {
  if (owner === undefined || owner.metadata.deletionTimestamp !== undefined) return false;
  return isFenced(owner) ? awaitsRelease(owner, vmi) : needsFence(vmi);
}

/** Time for the VM's controller, and for node agents before it, to learn from a VMI that ended during a copy. */
const READER_MS = witnessPatienceMs + 30_000;

/** Its VM has not settled yet which claims have what the guest wrote last; once the VMI is gone nobody can tell. */
function awaitsReader(
  vmi: Stored<VirtualMachineInstance>,
  owner: Stored<VirtualMachine> | undefined,
  nowMs: number,
): boolean {
  if (!owner || owner.metadata.deletionTimestamp !== undefined || !isCopying(vmi)) return false;
  const { conditions, volumeUpdateState } = owner.status ?? {};
  if (!volumeUpdateState || !isTrue(conditions, 'VolumesChange')) return false;
  return !isTrue(conditions, 'ManualRecoveryRequired') && endedSinceMs(vmi, nowMs) < READER_MS;
}

function decideDeletion(seen: SeenInstance, nowMs: number): InstancePlan {
  const { vmi, pods } = seen;
  const next = structuredClone(vmi);
  const living = pods.filter((pod) => !isFinalPod(pod));
  const deletePods = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const status = (next.status ??= {});
  if (living.length > 0) {
    status.conditions = [...withCondition(status.conditions ?? [], podTerminating, nowMs)];
    return { next, deletePods, events: [] };
  }
  if (!isFinalVmi(vmi)) enterPhase(status, 'Succeeded', nowMs);
  closeRecord(vmi, status, 'The VMI was deleted', nowMs);
  status.activePods = {};
  // Finished pods may linger while the VMI is looked at, but none may outlive it.
  const awaited = awaitsReader(next, seen.owner, nowMs);
  if (pods.length === 0 && !awaited && !awaitsFence(next, seen.owner))
    next.metadata.finalizers = (vmi.metadata.finalizers ?? []).filter((one) => one !== names.vmiFinalizer);
  return { next, deletePods, events: [], lookAgain: awaited };
}

function settleLabels(next: Stored<VirtualMachineInstance>): void {
  const node = next.status?.nodeName;
  if (node) next.metadata.labels = { ...next.metadata.labels, [names.nodeNameLabel]: node };
}

/** A VMI can vanish before its pods do (its finalizer taken away by hand); the next of its name waits for them. */
function judgeStart({ volumes, predecessor }: SeenInstance): VolumesVerdict {
  if (!predecessor) return judgeVolumes(volumes);
  const message = `Waits for pod ${predecessor.metadata.name} of an earlier VirtualMachineInstance of this name to end`;
  return { start: false, reason: 'PredecessorExists', message, provisioning: false };
}

/** Claims that wait for their first consumer, which runs already: volumes that came later. */
function claimsToMake({ vmi, volumes }: SeenInstance): readonly string[] {
  const { phase, nodeName, migrationState, migratedVolumes = [], volumeStatus = [] } = vmi.status ?? {};
  if (phase !== 'Running' || nodeName === undefined || isUnderway(migrationState)) return [];
  return volumes.flatMap(({ name, claimName, pvc }) => {
    const status = volumeStatus.find((one) => one.name === name);
    const comes = status?.hotplugVolume !== undefined && status.phase === 'Pending';
    // Where a copy goes is for its migration to decide.
    if (!comes || migratedVolumes.some(({ volumeName }) => volumeName === name)) return [];
    const chosen = pvc?.metadata.annotations?.[names.selectedNodeAnnotation];
    return pvc && pvc.status?.phase !== 'Bound' && chosen === undefined ? [claimName] : [];
  });
}

/** Everything a VMI needs from its controller: its pod, its phase up to Scheduled, its end, and what it waits for. */
export function decideInstance(seen: SeenInstance, nowMs: number): InstancePlan {
  const { vmi, pods, volumes } = seen;
  if (vmi.metadata.deletionTimestamp !== undefined) return decideDeletion(seen, nowMs);
  const verdict = decidePhase(seen);
  const start = judgeStart(seen);
  const pod = startPod(pods);
  const next = structuredClone(vmi);
  const finalizers = vmi.metadata.finalizers ?? [];
  if (!finalizers.includes(names.vmiFinalizer)) next.metadata.finalizers = [...finalizers, names.vmiFinalizer];
  const status = (next.status ??= {});
  status.conditions = [...decideConditions({ vmi, verdict, pod, volumes, start }, nowMs)];
  const arrived = isReceiver(vmi) && verdict.phase === 'Running';
  if (arrived && next.metadata.annotations) delete next.metadata.annotations[names.createMigrationTargetAnnotation];
  if (verdict.phase === 'Failed' || verdict.phase === 'Succeeded')
    closeRecord(vmi, status, verdict.message ?? 'The VMI has ended', nowMs);
  enterPhase(status, verdict.phase, nowMs);
  if (!isReceiver(vmi) && verdict.phase === 'Scheduled' && pod?.spec.nodeName) status.nodeName = pod.spec.nodeName;
  const active = podsByUid(pods);
  if (Object.keys(active).length > 0 || status.activePods) status.activePods = active;
  settleLabels(next);
  const wantsPod = verdict.phase === 'Pending' && !pod && start.start && vmi.status?.phase === 'Pending';
  const createPod = wantsPod ? renderLauncherPod(vmi, undefined, seen.nodeLabels) : undefined;
  return {
    next,
    ...(createPod ? { createPod } : {}),
    deletePods: [],
    provision: claimsToMake(seen),
    events: createPod
      ? [normal('SuccessfulCreate', `Created virtual machine pod ${createPod.metadata.name ?? ''}`)]
      : [],
  };
}
