import { isFalse, names } from '@godwit/api';
import type { StorageMigratedVolumeInfo, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimInfo, claimsOf, hasMovedAway, isFinalVmi, isReceiver, kindOf } from '../virt/facts.ts';
import { decideVolumeUpdate } from '../volume-migration/decide.ts';
import { decideOffline } from '../volume-migration/offline-copy.ts';
import { claimsToStartOn } from '../volume-migration/recover.ts';
import { decideRecord } from '../volume-migration/record.ts';
import type { VolumeUpdate } from '../volume-migration/types.ts';
import { missingDataVolumes, postponesDataVolumes, unreadyDataVolume } from './data-volumes.ts';
import { creationEvents, eventsOf, startEvents } from './events.ts';
import { decidePlugStep, plugNames, wantedPlugs } from './hotplug.ts';
import type { PlugStep } from './hotplug.ts';
import { instanceSteps } from './instance-steps.ts';
import { decidePlacement } from './placement-edits.ts';
import type { PlacementEdit } from './placement-edits.ts';
import { renderInstance } from './render-instance.ts';
import { refreshedRecord, startedFromAnnotation, templateChange } from './restart-required.ts';
import { decideFence, decideRun, movedAwayAnnotation } from './run-strategy.ts';
import type { RunDecision } from './run-strategy.ts';
import type { MachinePlan, SeenMachine } from './seen.ts';
import { decideStartFailure, startDelayMs, whyStartFailed } from './start-failure.ts';
import { movesNow, startObstacle } from './start-obstacle.ts';
import { decideStatus } from './status.ts';

type Instance = Stored<VirtualMachineInstance>;

const HELD_MS = 2_000;

function isLive(vmi: Instance | undefined): vmi is Instance {
  return vmi !== undefined && !isFinalVmi(vmi) && vmi.metadata.deletionTimestamp === undefined;
}

/** A receiver says where each volume is to arrive, once. */
function receiverVolumes(seen: SeenMachine, vmi: Instance): StorageMigratedVolumeInfo[] {
  if (!isReceiver(vmi) || (vmi.status?.migratedVolumes?.length ?? 0) > 0 || vmi.status?.migrationState?.completed)
    return [];
  return [...claimsOf(vmi.spec.volumes)].flatMap(([volumeName, claim]) => {
    const pvc = seen.pvc(claim);
    return pvc ? [{ volumeName, destinationPVCInfo: claimInfo(claim, pvc) }] : [];
  });
}

/** It carries a note about an edit of volumes, which may be gone by now. */
function isHeld({ status }: Instance): boolean {
  return isFalse(status?.conditions, 'VolumesChange');
}

/** What may still be done of a change that nothing new may be begun of: going back is always possible. */
function onlyBack(update: VolumeUpdate): VolumeUpdate {
  const back = ['revert', 'stop-migrations', 'refuse', 'drop-stale-condition'].includes(update.do);
  return back ? update : { do: 'nothing' };
}

function updateVolumes(seen: SeenMachine, restart: string | undefined, unready: string | undefined): VolumeUpdate {
  const { vm, vmi } = seen;
  if (!isLive(vmi) || vmi.status?.phase !== 'Running' || isReceiver(vmi)) return { do: 'nothing' };
  // Between clusters the list of volumes is the migration's own, not an edit of this VM.
  if (seen.activeMigrations.some((one) => kindOf(one) !== 'local')) return { do: 'nothing' };
  const announced = (vmi.status?.migratedVolumes?.length ?? 0) > 0;
  const blocked = !seen.liveUpdate || restart !== undefined;
  if (blocked && !announced && !isHeld(vmi)) return { do: 'nothing' };
  const update = decideVolumeUpdate({
    vm,
    vmi,
    pvc: seen.pvc,
    dataVolume: seen.dataVolume,
    claim: seen.claim,
    usersOf: seen.usersOf,
    ...(seen.freeBytes ? { freeBytes: seen.freeBytes } : {}),
    ...(seen.whyNoNode ? { whyNoNode: seen.whyNoNode } : {}),
    reachableInPlace: seen.reachableInPlace,
    activeMigrations: seen.activeMigrations,
  });
  if (blocked) return onlyBack(update);
  const begins = update.do === 'announce' || update.do === 'hold' || update.do === 'require-restart';
  if (unready === undefined || !begins) return update;
  return { do: 'hold', reason: 'DataVolumeNotReady', message: `${unready}; volumes are moved when it is ready` };
}

interface Changes {
  readonly update: VolumeUpdate;
  readonly plug: PlugStep;
  readonly placement: PlacementEdit;
}

function stepsOf(seen: SeenMachine, { update, plug, placement }: Changes, nowMs: number): Instance[] {
  const { vmi } = seen;
  if (!isLive(vmi)) return [];
  const arriving = receiverVolumes(seen, vmi);
  if (arriving.length > 0) return [{ ...vmi, status: { ...vmi.status, migratedVolumes: arriving } }];
  // Everything else looks at the volumes that the guest will have then.
  if (plug.do === 'change') return [plug.vmi];
  if (placement.do === 'change') return [placement.vmi];
  const steps = instanceSteps(vmi, update, nowMs);
  const moved =
    steps.length === 0 && (vmi.status?.migratedVolumes?.length ?? 0) === 0 ? refreshedRecord(vmi) : undefined;
  if (moved === undefined) return steps;
  return [
    {
      ...vmi,
      metadata: { ...vmi.metadata, annotations: { ...vmi.metadata.annotations, [startedFromAnnotation]: moved } },
    },
  ];
}

/** The VM's own object after a run decision: finalizer, fence, and a strategy that completion of a move has settled. */
function settle(seen: SeenMachine, run: RunDecision): Stored<VirtualMachine> {
  const next = structuredClone(seen.vm);
  const finalizers = next.metadata.finalizers ?? [];
  if (!finalizers.includes(names.vmFinalizer)) next.metadata.finalizers = [...finalizers, names.vmFinalizer];
  const fence = seen.vmi ? decideFence(seen.vm, seen.vmi) : 'leave';
  if (fence === 'remove' && next.metadata.annotations) delete next.metadata.annotations[movedAwayAnnotation];
  if (run.do === 'halt' || fence === 'set') {
    const uid =
      seen.vmi?.status?.migrationState?.migrationUid ?? seen.vm.metadata.annotations?.[movedAwayAnnotation] ?? '';
    next.metadata.annotations = { ...next.metadata.annotations, [movedAwayAnnotation]: uid };
  }
  if (run.do === 'halt') {
    // Whichever of the two fields the user chose; admission refuses both.
    if (next.spec.running === undefined) next.spec.runStrategy = 'Halted';
    else next.spec.running = false;
  }
  if (run.do === 'restore') {
    next.spec.runStrategy = run.runStrategy as NonNullable<VirtualMachine['spec']['runStrategy']>;
    delete next.spec.running;
    if (next.metadata.annotations) delete next.metadata.annotations[movedAwayAnnotation];
  }
  return next;
}

function decideDeletion(seen: SeenMachine, nowMs: number): MachinePlan {
  const { vm, vmi } = seen;
  const next = structuredClone(vm);
  const orphan = vm.metadata.finalizers?.includes('orphan') === true;
  // Nobody waits for a copy that nobody will use; but only this VM takes back what it has ordered.
  const { marks: claimMarks, status: copying } = decideOffline({ ...seen, moves: [] }, nowMs);
  if ((!vmi && copying === undefined) || orphan)
    next.metadata.finalizers = (vm.metadata.finalizers ?? []).filter((one) => one !== names.vmFinalizer);
  if (next.status) next.status.printableStatus = 'Terminating';
  const deleteInstance = vmi !== undefined && !orphan && vmi.metadata.deletionTimestamp === undefined;
  const nothing = { createDataVolumes: [], deleteMigrations: [], instanceSteps: [], events: [] };
  const requeue = copying === undefined ? {} : { requeueAfterMs: HELD_MS };
  return { next, deleteInstance, claimMarks, ...nothing, ...requeue };
}

function soonest(...delaysMs: readonly number[]): Pick<MachinePlan, 'requeueAfterMs'> {
  const delays = delaysMs.filter((one) => one > 0);
  return delays.length > 0 ? { requeueAfterMs: Math.min(...delays) } : {};
}

/** The guest has left for another cluster, and the migration that took it there has not noted that yet. */
function isMigrationEnding({ vmi, activeMigrations }: SeenMachine): boolean {
  const uid = vmi?.status?.migrationState?.migrationUid;
  return vmi !== undefined && hasMovedAway(vmi) && activeMigrations.some(({ metadata }) => metadata.uid === uid);
}

/** Everything a VM needs from its controller in one pass. */
export function decideMachine(seen: SeenMachine, nowMs: number): MachinePlan {
  const { vm, vmi } = seen;
  if (vm.metadata.deletionTimestamp !== undefined) return decideDeletion(seen, nowMs);
  const record = decideRecord(vm, vmi, (claim) => seen.pvc(claim) !== undefined, nowMs);
  const wanted = decideRun(vm, vmi, vm.metadata.annotations?.[names.restoreRunStrategyAnnotation], nowMs);
  // The ended VMI is the only witness of where its data are, and of how its migration went.
  const awaited = wanted.do === 'stop' && (record.manualRecovery === 'awaited' || isMigrationEnding(seen));
  const run: RunDecision = awaited ? { do: 'nothing' } : wanted;
  const undecided = run.do === 'nothing' && run.awaited === true;
  const starting = run.do === 'start';
  const createDataVolumes = starting || vmi || !postponesDataVolumes(vm) ? missingDataVolumes(vm, seen) : [];
  const resumed = starting && !run.receiver ? claimsToStartOn(vm) : new Map<string, string>();
  const started = new Map([...claimsOf(vm.spec.template.spec.volumes), ...resumed]);
  const used = new Set(started.values());
  // A guest that starts on other claims than the template's does not wait for these.
  const unready = unreadyDataVolume(vm, seen, (name) => resumed.size === 0 || used.has(name));
  const liveClaims = seen.liveUpdate && vm.spec.updateVolumesStrategy === 'Migration';
  const plugs = wantedPlugs(seen);
  const restart = isLive(vmi)
    ? templateChange(vm, vmi, { liveClaims, plugs: plugNames(plugs), livePlacement: seen.liveUpdate })
    : undefined;
  const plug: PlugStep = isLive(vmi) && !isReceiver(vmi) ? decidePlugStep(seen, plugs) : { do: 'nothing' };
  const update = updateVolumes(seen, restart, unready);
  const placement = decidePlacement(seen);
  const offline = decideOffline({ ...seen, moves: movesNow(seen, record) }, nowMs);
  const startFailure = decideStartFailure(vm, vmi, nowMs);
  const failed = whyStartFailed(vm, vmi, startFailure);
  const obstacle = starting ? startObstacle(seen, { record, receiver: run.receiver, resumed, offline }) : undefined;
  const delayMs = starting ? startDelayMs(startFailure, nowMs) : 0;
  const create = starting && !obstacle && unready === undefined && delayMs === 0;
  const refused = create || createDataVolumes.length > 0 ? seen.refused : undefined;
  const next = settle(seen, run);
  next.status = decideStatus({
    seen,
    run,
    record,
    startFailure,
    restartRequired: restart ?? (update.do === 'require-restart' ? (update.known ?? update.message) : undefined),
    failure:
      obstacle ??
      (run.do === 'refuse' ? { reason: 'FailedCreate', message: run.message } : undefined) ??
      (refused === undefined ? undefined : { reason: 'FailedCreate', message: refused }) ??
      (update.do === 'refuse' ? { reason: 'VolumesUpdateError', message: update.message } : undefined) ??
      (plug.do === 'wait' ? { reason: 'HotPlugVolumeError', message: plug.message } : undefined) ??
      failed,
    offline,
    placement,
    nowMs,
  });
  return {
    next,
    createDataVolumes,
    ...(create
      ? { createInstance: renderInstance(vm, run.receiver, resumed), createEvents: creationEvents(vm, resumed) }
      : {}),
    deleteInstance: run.do === 'stop',
    deleteMigrations: update.do === 'stop-migrations' ? update.migrations : [],
    instanceSteps: run.do === 'stop' ? [] : stepsOf(seen, { update, plug, placement }, nowMs),
    events: [...eventsOf({ vm, record, run, update, offline, placement }), ...startEvents(vm, startFailure, failed)],
    claimMarks: offline.marks,
    provision: offline.provision,
    ...(update.do === 'hold' && update.expand ? { expandClaims: update.expand } : {}),
    // What a change waits for may be somebody else's object, which wakes nobody here.
    ...soonest(
      delayMs,
      update.do === 'hold' || plug.do === 'wait' || awaited || undecided || record.manualRecovery === 'awaited'
        ? HELD_MS
        : 0,
      offline.requeueAfterMs ?? 0,
    ),
  };
}
