import { findCondition } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VmiMigrationState } from '@godwit/api';
import { claimInfo, claimsOf, isReceiver, isUnderway, usableBytes } from '../virt/facts.ts';
import { normal } from '../virt/planned-event.ts';
import { renderLauncherPod } from '../virtual-machine-instance/render-launcher-pod.ts';
import { compatibleWithPeer, labelsForPeer } from './cpu.ts';
import { lostGuest, notEligible } from './eligible.ts';
import { decideUnset } from './pending.ts';
import { placeable, targetPodStep } from './readiness.ts';
import type { Readiness } from './readiness.ts';
import { labelled, ownRecord, withRecord } from './record.ts';
import { awaitTargetPod, lostTargetPod, sourcePodOf } from './scheduling.ts';
import { enter, fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';
import { limitOf, remainingMs, timeoutAnnotations } from './timing.ts';

/*
 *  source:  ""  ─> Synchronizing ─(both VMIMs known)──────────> Pending ─> Scheduling ─(target pod known)─> Scheduled ─┐
 *  target:  ""  ─> WaitingForSync ─(source pod, node known)──> Pending ─> Scheduling ─(pod ready)────────> Scheduled ─┤
 *  both:    ─> PreparingTarget ─(address known)─> TargetReady ─(copy began)─> Running ─> Succeeded | Failed  <─────────┘
 */

const POLL_MS = 5_000;

function idOf({ migration }: SeenMigration): string {
  return migration.spec.sendTo?.migrationID ?? migration.spec.receive?.migrationID ?? '';
}

/** A fresh record in which this side introduces itself; an earlier, finished one is dropped. */
function introduced(seen: SeenMigration, vmi: Instance): Instance {
  const { migration } = seen;
  const self = {
    migrationUID: migration.metadata.uid,
    virtualMachineInstanceUID: vmi.metadata.uid,
    domainName: vmi.metadata.name,
    domainNamespace: vmi.metadata.namespace ?? '',
  };
  const { sendTo } = migration.spec;
  return withRecord(
    vmi,
    sendTo
      ? { sourceState: self, targetState: { syncAddress: sendTo.connectURL } }
      : { targetState: self, sourceState: {} },
  );
}

export function decideUnsetAcross(seen: SeenMigration): Step {
  const step = decideUnset(seen);
  if (step.go !== 'enter' || !seen.vmi) return step;
  const { migration, vmi } = seen;
  if (isUnderway(vmi.status?.migrationState))
    return wait('OtherMigration', 'Waits for another migration of the VMI to end', { requeueAfterMs: POLL_MS });
  if (migration.spec.receive && !isReceiver(vmi)) {
    return fail(
      'NotAReceiver',
      `VMI ${vmi.metadata.name} is not a receiver; its VirtualMachine needs runStrategy WaitAsReceiver`,
    );
  }
  // A second pass before the phase shows must not wipe out what a quick peer has answered in between.
  const introduction = ownRecord(seen) ? {} : { vmi: introduced(seen, vmi) };
  return enter(migration.spec.sendTo ? 'Synchronizing' : 'WaitingForSync', introduction);
}

function peerTrouble(seen: SeenMigration): string {
  const condition = findCondition(seen.vmi?.status?.conditions, 'DecentralizedLiveMigrationFailure');
  return condition?.status === 'True' && condition.message ? `; last error: ${condition.message}` : '';
}

/** Synchronizing and WaitingForSync: until the other cluster has said what this side needs, or the deadline. */
export function decideSync(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  const state = ownRecord(seen);
  if (!state) return wait('Introducing', 'Introduces itself to the other cluster', { vmi: introduced(seen, vmi) });
  if (state.failed) return fail('MigrationFailed', state.failureReason ?? 'The other cluster reports a failure');
  const { sourceState = {}, targetState = {} } = state;
  const source = seen.migration.spec.sendTo !== undefined;
  const missing = source
    ? [['its migration object', targetState.migrationUID] as const]
    : [
        ['its migration object', sourceState.migrationUID] as const,
        ['the source pod', sourceState.pod] as const,
        ['the source node', sourceState.node] as const,
      ];
  const open = missing.filter(([, value]) => !value).map(([what]) => what);
  if (open.length === 0) return enter('Pending');
  const limitMs = limitOf(seen.migration, timeoutAnnotations.sync, seen.timeouts.syncMs);
  const leftMs = remainingMs(seen.migration, limitMs, nowMs);
  const peer = source ? `the target cluster at ${seen.migration.spec.sendTo?.connectURL ?? ''}` : 'the source cluster';
  const message = `Waits for ${peer} to report ${open.join(', ')} of migration ID ${idOf(seen)}${peerTrouble(seen)}`;
  if (leftMs <= 0) return fail('SyncTimeout', `${message}; gave up after ${limitMs / 1000} s`);
  return wait('WaitingForPeer', message, { requeueAfterMs: leftMs });
}

export function decideSourcePending(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const held = notEligible(seen, seen.vmi as Instance, nowMs);
  if (held) return held;
  const admission = seen.admission();
  return admission.admitted
    ? enter('Scheduling')
    : wait(admission.reason, admission.message, { requeueAfterMs: POLL_MS });
}

/** Every claim-backed volume travels; where each arrives is the target's to say and is kept once said. */
function travellingVolumes(seen: SeenMigration, vmi: Instance): StorageMigratedVolumeInfo[] {
  const known = new Map((vmi.status?.migratedVolumes ?? []).map((one) => [one.volumeName, one.destinationPVCInfo]));
  return [...claimsOf(vmi.spec.volumes)].map(([volumeName, claim]) => {
    const destination = known.get(volumeName);
    return {
      volumeName,
      sourcePVCInfo: claimInfo(claim, seen.claim(claim).pvc),
      ...(destination ? { destinationPVCInfo: destination } : {}),
    };
  });
}

export function decideSourceScheduling(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  const { migration } = seen;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  const state = ownRecord(seen);
  if (!state) return fail('RecordCleared', 'The migration record of the VMI was cleared');
  if (state.failed) return fail('MigrationFailed', state.failureReason ?? 'The other cluster reports a failure');
  const pod = sourcePodOf(seen);
  if (!pod) return fail('SourcePodDown', 'The pod of the running guest is gone');
  const node = pod.spec.nodeName ?? '';
  const next: VmiMigrationState = {
    ...state,
    migrationUid: migration.metadata.uid,
    sourceNode: node,
    sourcePod: pod.metadata.name,
    sourceState: {
      ...state.sourceState,
      node,
      pod: pod.metadata.name,
      selinuxContext: vmi.status?.selinuxContext || 'none',
      nodeSelectors: labelsForPeer(vmi, seen.sourceNode?.metadata.labels ?? {}),
    },
  };
  const status = {
    ...vmi.status,
    migrationState: next,
    migrationMethod: 'BlockMigration' as const,
    migrationTransport: 'Unix',
    migratedVolumes: travellingVolumes(seen, vmi),
  };
  const told: Instance = { ...vmi, status };
  if (state.targetState?.pod) return enter('Scheduled', { vmi: told });
  const leftMs = remainingMs(migration, seen.timeouts.pendingPodMs + seen.timeouts.prepareMs, nowMs);
  if (leftMs <= 0) return fail('TargetTimeout', 'The target cluster did not create a target pod in time');
  return wait('WaitingForTargetPod', `Waits for the target cluster to create a pod${peerTrouble(seen)}`, {
    vmi: told,
    requeueAfterMs: leftMs,
  });
}

/** Volumes of the source that have no place, or too small a one, on this side. */
function volumeProblem(vmi: Instance): { reason: string; message: string } | undefined {
  for (const { volumeName, sourcePVCInfo, destinationPVCInfo } of vmi.status?.migratedVolumes ?? []) {
    if (!sourcePVCInfo)
      return { reason: 'VolumeMissing', message: `Volume ${volumeName} does not exist on the source` };
    if (!destinationPVCInfo)
      return { reason: 'VolumeMissing', message: `Volume ${volumeName} of the source does not exist in the target VM` };
    const needed = usableBytes(sourcePVCInfo);
    const offered = usableBytes(destinationPVCInfo);
    if (needed !== undefined && offered !== undefined && offered < needed) {
      return {
        reason: 'TargetTooSmall',
        message: `PVC ${destinationPVCInfo.claimName ?? ''} of volume ${volumeName} offers ${offered} bytes, the source has ${needed}`,
      };
    }
  }
  return undefined;
}

/** Everything that must be true of an arriving guest before it takes a slot. */
export function targetReadiness(seen: SeenMigration, vmi: Instance, nowMs: number): Readiness {
  const state = ownRecord(seen);
  if (!state) return { held: fail('RecordCleared', 'The migration record of the VMI was cleared') };
  if (state.failed)
    return { held: fail('MigrationFailed', state.failureReason ?? 'The other cluster reports a failure') };
  const problem = volumeProblem(vmi);
  if (problem) return { held: fail(problem.reason, problem.message) };
  const createPod = renderLauncherPod(vmi, {
    migration: seen.migration,
    apartFromOwnPods: false,
    requiredNodeLabels: compatibleWithPeer(vmi, state.sourceState?.nodeSelectors ?? {}),
  });
  return placeable(seen, createPod, nowMs);
}

export function decideTargetPending(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  if (seen.targetPod) return enter('Scheduling');
  // The cast is safe: lostGuest answers for an absent VMI.
  const ready = targetReadiness(seen, seen.vmi as Instance, nowMs);
  if (ready.held) return ready.held;
  const admission = seen.admission();
  if (!admission.admitted) return wait(admission.reason, admission.message, { requeueAfterMs: POLL_MS });
  return ready.method === 'OtherNode' ? targetPodStep(seen, ready.createPod, nowMs) : enter('Scheduling');
}

export function decideTargetScheduling(seen: SeenMigration, nowMs: number): Step {
  const failed =
    lostGuest(seen) ??
    (ownRecord(seen)?.failed
      ? fail('MigrationFailed', ownRecord(seen)?.failureReason ?? 'The source reports a failure')
      : undefined);
  return failed ?? awaitTargetPod(seen, nowMs);
}

/** The target's hand-off keeps what the source has told and adds this side's half. */
export function decideTargetScheduled(seen: SeenMigration): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  const { migration, targetPod, configuration, policyName } = seen;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  const state = ownRecord(seen);
  if (!state) return fail('RecordCleared', 'The migration record of the VMI was cleared');
  if (state.failed) return fail('MigrationFailed', state.failureReason ?? 'The source reports a failure');
  if (state.migrationUid === migration.metadata.uid && state.targetNode) return enter('PreparingTarget');
  const down = lostTargetPod(targetPod);
  if (down || !targetPod) return fail(down?.reason ?? 'TargetPodGone', down?.message ?? 'The target pod is gone');
  const node = targetPod.spec.nodeName ?? '';
  const {
    failureReason: _reason,
    endTimestamp: _end,
    startTimestamp: _start,
    abortRequested: _abort,
    abortStatus: _status,
    ...kept
  } = state;
  const next: VmiMigrationState = {
    ...kept,
    migrationUid: migration.metadata.uid,
    completed: false,
    failed: false,
    sourceNode: state.sourceState?.node ?? '',
    sourcePod: state.sourceState?.pod ?? '',
    targetNode: node,
    targetPod: targetPod.metadata.name,
    targetState: { ...state.targetState, node, pod: targetPod.metadata.name },
    migrationConfiguration: { ...configuration },
    ...(policyName === undefined ? {} : { migrationPolicyName: policyName }),
    volumes: structuredClone(vmi.status?.migratedVolumes ?? []),
  };
  return wait('HandingOver', 'Hands the VMI over to the node agent', {
    vmi: labelled(withRecord(vmi, next), node),
    events: [normal('SuccessfulHandOver', 'Migration target pod is ready for preparation by the node agent')],
  });
}

/** The source's agents start only with the full list of what travels, frozen here. */
export function decideSourceScheduled(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  const state = ownRecord(seen);
  if (!state) return fail('RecordCleared', 'The migration record of the VMI was cleared');
  if (state.failed) return fail('MigrationFailed', state.failureReason ?? 'The target reports a failure');
  const { targetState = {} } = state;
  const incomplete = (vmi.status?.migratedVolumes ?? [])
    .filter((one) => !one.destinationPVCInfo)
    .map((one) => one.volumeName);
  if (targetState.migrationUID && targetState.pod && targetState.node && incomplete.length === 0) {
    const volumes = structuredClone(vmi.status?.migratedVolumes ?? []);
    return enter('PreparingTarget', { vmi: withRecord(vmi, { ...state, volumes }) });
  }
  const leftMs = remainingMs(seen.migration, seen.timeouts.pendingPodMs + seen.timeouts.prepareMs, nowMs);
  const what =
    incomplete.length > 0 && targetState.node
      ? `the claims of volumes ${incomplete.join(', ')}`
      : 'the node of its pod';
  if (leftMs <= 0) return fail('TargetTimeout', `The target cluster did not report ${what} in time`);
  return wait('WaitingForTargetPod', `Waits for the target cluster to report ${what}${peerTrouble(seen)}`, {
    requeueAfterMs: leftMs,
  });
}
