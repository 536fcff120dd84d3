import { isTrue, keyOf, names, resources } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache, EventRecorder, Reconciler, ReconcileResult } from '@godwit/reconcile';
import { isFinished } from '../launcher/decide.ts';
import type { HeldMachine, Machines } from '../launcher/machines.ts';
import { changeVmi } from '../vmi/write-vmi.ts';
import type { VmiChange } from '../vmi/write-vmi.ts';
import { decideMove, isExpected, isOver, targetPorts } from './decide.ts';
import type { MovePlan, SeenMove } from './decide.ts';
import { statusOf } from './executors.ts';
import type { Executor } from './executors.ts';
import { movedVolumes } from './identity.ts';
import type { Moves } from './moves.ts';
import { tellVerification } from './verification.ts';
import {
  abortPassedOn,
  modeChosen,
  moveCompleted,
  moveFailed,
  portsOf,
  targetListens,
  toldAfterwards,
  hindered,
  undecided,
} from './outcome.ts';

type Vmi = Stored<VirtualMachineInstance>;

export interface MoveReconcilerIo {
  readonly client: KubeClient;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly migrations: Cache<VirtualMachineInstanceMigration>;
  readonly pods: Cache<Pod>;
  readonly machines: Machines;
  readonly events: EventRecorder;
  readonly moves: Moves;
}

/** The source knows better why a copy failed; its word is awaited this long before the target gives its own. */
const SOURCE_SPEAKS_FIRST_MS = 5000;
const LOOK_AGAIN_MS = 500;

/** Volumes that are on their destination after a move in place, as far as it has got. */
function volumesOnTarget(vmi: Vmi, { record, outcome }: Executor): readonly string[] {
  if (record.role !== 'in-place' || !outcome) return [];
  if ('moved' in outcome) return outcome.moved;
  return outcome.result === 'succeeded' ? movedVolumes(vmi).map(({ volumeName }) => volumeName) : [];
}

/** The side that has what the guest wrote last, as the handover guarantees it. */
function settledOn({ record, outcome }: Executor): 'source' | 'target' | undefined {
  switch (outcome?.result) {
    case undefined:
      return undefined;
    case 'running':
    case 'lost':
    case 'succeeded':
      return 'target';
    case 'aborted':
    case 'failed':
      return record.crossCluster ? undefined : 'source';
  }
}

/** Carries out on this node what VMI migration records ask of it, and reports how it went. */
export function createMoveReconciler(
  options: { readonly nodeName: string; readonly address: string },
  { io, clock, log }: { io: MoveReconcilerIo; clock: Clock; log: Logger },
): Reconciler {
  const { nodeName } = options;

  function sourceMachine(vmi: Vmi): HeldMachine | undefined {
    const held = io.machines.list().find(({ record }) => record.vmi.uid === vmi.metadata.uid);
    return held?.record.pod.name === vmi.status?.migrationState?.sourcePod ? held : undefined;
  }

  function targetPod(vmi: Vmi): Stored<Pod> | undefined {
    const name = vmi.status?.migrationState?.targetPod;
    const pod = name === undefined ? undefined : io.pods.get({ namespace: vmi.metadata.namespace ?? '', name });
    const usable = pod && pod.metadata.deletionTimestamp === undefined && !isFinished(pod);
    return usable && pod.metadata.labels?.[names.createdByLabel] === vmi.metadata.uid ? pod : undefined;
  }

  function migrationOf(vmi: Vmi): Stored<VirtualMachineInstanceMigration> | undefined {
    const uid = vmi.status?.migrationState?.migrationUid;
    return io.migrations.list(vmi.metadata.namespace).find((one) => one.metadata.uid === uid);
  }

  function migrationsOf(vmi: Vmi): Stored<VirtualMachineInstanceMigration>[] {
    return io.migrations.list(vmi.metadata.namespace).filter((one) => one.spec.vmiName === vmi.metadata.name);
  }

  /** Its guest runs on this node, or a pod for it is here. */
  function isHere({ metadata: { namespace, uid } }: Vmi): boolean {
    return (
      io.machines.list().some(({ record }) => record.vmi.uid === uid) ||
      io.pods.list(namespace).some((pod) => pod.metadata.labels?.[names.createdByLabel] === uid && !isFinished(pod))
    );
  }

  function observe(vmi: Vmi): SeenMove {
    const target = targetPod(vmi);
    return {
      nodeName,
      vmi,
      migration: migrationOf(vmi),
      holdsSource: sourceMachine(vmi) !== undefined,
      holdsTarget: target !== undefined && isTrue(target.status?.conditions, 'Ready'),
      executors: io.moves.seen(vmi.metadata.uid),
    };
  }

  function change(vmi: Vmi, decide: (current: Vmi) => VmiChange | undefined): Promise<Vmi | undefined> {
    const key = { namespace: vmi.metadata.namespace ?? '', name: vmi.metadata.name, uid: vmi.metadata.uid };
    return changeVmi(io.client, key, decide);
  }

  async function closeFailed(
    vmi: Vmi,
    migrationUid: string,
    reason: string,
    aborted: boolean,
    { moved = [], code }: { readonly moved?: readonly string[]; readonly code?: string } = {},
  ): Promise<void> {
    log.warn({ VirtualMachineInstance: keyOf(vmi), migrationUID: migrationUid, reason }, 'migration failed');
    const how = { reason, aborted, moved, ...(code !== undefined && { code }) };
    await change(vmi, (current) => moveFailed(current, migrationUid, how, clock.now()));
    io.events.record(vmi, 'Warning', 'Migrated', `VirtualMachineInstance migration failed: ${reason}`);
  }

  async function startTarget(vmi: Vmi, migration: Stored<VirtualMachineInstanceMigration>): Promise<void> {
    const pod = targetPod(vmi);
    if (!pod) return;
    const ports = await io.moves.startTarget(vmi, migration, pod);
    const at = { address: options.address, ports, nodeName, podName: pod.metadata.name };
    await change(vmi, (current) => targetListens(current, migration.metadata.uid, at));
  }

  async function startSource(vmi: Vmi, migration: Stored<VirtualMachineInstanceMigration>): Promise<void> {
    const held = sourceMachine(vmi);
    const state = vmi.status?.migrationState;
    const host = state?.targetNodeAddress ?? state?.targetState?.nodeAddress;
    const ports = portsOf((state && targetPorts(state)) ?? {});
    if (!held || host === undefined || !ports) return;
    await io.moves.startSource(vmi, migration, held, { host, ports });
  }

  async function begin(vmi: Vmi, role: 'source' | 'target' | 'in-place'): Promise<void> {
    const migration = migrationOf(vmi);
    if (!migration) return;
    try {
      if (role === 'target') return await startTarget(vmi, migration);
      if (role === 'source') return await startSource(vmi, migration);
      const held = sourceMachine(vmi);
      if (held) await io.moves.startInPlace(vmi, migration, held);
    } catch (error) {
      // What time cannot heal ends the migration, with its reason; the rest is tried again.
      if (!isGodwitError(error) || error.retry !== 'never') throw error;
      await closeFailed(vmi, migration.metadata.uid, describeError(error), false, { code: error.code });
    }
  }

  /** Said at once when it was found; here only if that did not arrive. */
  async function tellWhatWasVerified(vmi: Vmi, { outcome, record }: Executor): Promise<void> {
    const verification = outcome && 'verification' in outcome ? outcome.verification : undefined;
    const migration = migrationsOf(vmi).find(({ metadata }) => metadata.uid === record.migrationUid);
    if (verification === undefined || migration === undefined || migration.status?.verification !== undefined) return;
    await tellVerification(io, vmi, record, verification);
  }

  async function report(vmi: Vmi, executor: Executor): Promise<ReconcileResult | void> {
    const { record, outcome } = executor;
    if (!outcome) return;
    // Whoever sees the end must find the last figures as well.
    await executor.progress.flush();
    await tellWhatWasVerified(vmi, executor);
    const { migrationUid } = record;
    switch (outcome.result) {
      case 'running':
      case 'lost':
        await change(vmi, (current) => moveCompleted(current, migrationUid, nodeName, clock.now()));
        io.events.record(vmi, 'Normal', 'Migrated', `The VirtualMachineInstance migrated to node ${nodeName}.`);
        return;
      case 'succeeded':
        if (record.role === 'in-place') {
          await change(vmi, (current) => moveCompleted(current, migrationUid, nodeName, clock.now()));
          io.events.record(vmi, 'Normal', 'Migrated', 'The volumes of the VirtualMachineInstance were migrated.');
          return;
        }
        // The target says that the guest runs; its record, or its cluster's, arrives by itself.
        return { requeueAfterMs: SOURCE_SPEAKS_FIRST_MS };
      case 'aborted':
      case 'failed': {
        const state = vmi.status?.migrationState;
        const waitedMs = clock.now() - (executor.endedAtMs ?? 0);
        const sourceMaySpeak = record.role === 'target' && !record.crossCluster && state?.startTimestamp !== undefined;
        if (sourceMaySpeak && waitedMs < SOURCE_SPEAKS_FIRST_MS) return { requeueAfterMs: LOOK_AGAIN_MS };
        const moved = 'moved' in outcome ? outcome.moved : [];
        const stuck = moved.length > 0 ? `; disks left on their new volumes: ${moved.join(', ')}` : '';
        const aborted = outcome.result === 'aborted' && state?.abortRequested === true;
        return closeFailed(vmi, migrationUid, `${outcome.reason}${stuck}`, aborted, { moved });
      }
    }
  }

  async function carryOut(vmi: Vmi, plan: MovePlan): Promise<ReconcileResult | void> {
    const state = vmi.status?.migrationState;
    const migrationUid = state?.migrationUid ?? '';
    const executor = (role: Executor['record']['role']): Executor | undefined =>
      io.moves.of(vmi.metadata.uid).find((one) => one.record.role === role && one.record.migrationUid === migrationUid);
    switch (plan.do) {
      case 'nothing':
        return;
      case 'start-target':
        return begin(vmi, 'target');
      case 'prepare-source': {
        const migration = migrationOf(vmi);
        if (migration) io.moves.prepareSource(vmi, migration);
        return;
      }
      case 'start-source':
        return begin(vmi, 'source');
      case 'start-in-place':
        return begin(vmi, 'in-place');
      case 'abort':
        await change(vmi, (current) => abortPassedOn(current, migrationUid));
        io.moves.abort(executor(plan.role)?.record.pod.uid ?? '', 'the migration was aborted by request');
        return;
      case 'stop':
        io.moves.abort(executor(plan.role)?.record.pod.uid ?? '', state?.failureReason ?? 'the migration is over');
        return;
      case 'close-failed':
        return closeFailed(vmi, migrationUid, plan.reason, plan.aborted);
      case 'report': {
        const ended = executor(plan.role);
        return ended && report(vmi, ended);
      }
      case 'forget': {
        const ended = executor(plan.role);
        if (!ended) return;
        // Whoever has closed the record in the meantime knew nothing of the disks.
        const left = volumesOnTarget(vmi, ended);
        const side = state?.mode === 'PostCopy' ? undefined : settledOn(ended);
        await tellWhatWasVerified(vmi, ended);
        await change(vmi, (current) => toldAfterwards(current, migrationUid, side, left));
        await io.moves.forget(ended);
      }
    }
  }

  /** Executors of records that are no longer the VMI's, or whose VMI is gone, have nobody left to tell. */
  async function settleLeftovers(vmiUid: string, current: string | undefined): Promise<void> {
    for (const executor of io.moves.of(vmiUid)) {
      if (executor.record.migrationUid === current) continue;
      if (executor.outcome === undefined) io.moves.abort(executor.record.pod.uid, 'the migration record is gone');
      else await io.moves.forget(executor);
    }
  }

  async function publishStatus(vmi: Vmi): Promise<void> {
    const running = io.moves.of(vmi.metadata.uid).filter((executor) => executor.outcome === undefined);
    for (const executor of running) {
      const status = statusOf(executor);
      const { role, migrationUid } = executor.record;
      if (modeChosen(vmi, migrationUid, status.mode, clock.now()))
        await change(vmi, (current) => modeChosen(current, migrationUid, status.mode, clock.now()));
      if (hindered(vmi, role, status.hindrance, clock.now()))
        await change(vmi, (current) => hindered(current, role, status.hindrance, clock.now()));
      if (role !== 'in-place' && undecided(vmi, role, status, clock.now()))
        await change(vmi, (current) => undecided(current, role, status, clock.now()));
    }
  }

  return {
    name: 'moves',
    concurrency: 8,
    watches: [
      { resource: resources.virtualMachineInstances, toKeys: (vmi) => [keyOf(vmi)] },
      {
        resource: resources.virtualMachineInstanceMigrations,
        toKeys: (migration) => {
          // The cast is safe: this watch delivers migrations.
          const { vmiName } = (migration as Stored<VirtualMachineInstanceMigration>).spec;
          return vmiName === undefined ? [] : [{ namespace: migration.metadata.namespace ?? '', name: vmiName }];
        },
      },
      {
        resource: resources.pods,
        toKeys: (pod) => {
          const name = pod.metadata.annotations?.[names.domainAnnotation];
          return name === undefined ? [] : [{ namespace: pod.metadata.namespace ?? '', name }];
        },
      },
    ],
    async reconcile(key) {
      const vmi = io.instances.get(key);
      if (!vmi) return;
      await settleLeftovers(vmi.metadata.uid, vmi.status?.migrationState?.migrationUid);
      const idle = io.moves.of(vmi.metadata.uid).length === 0;
      if (idle && isExpected(migrationsOf(vmi), isHere(vmi))) io.moves.expect();
      const plan = decideMove(observe(vmi));
      const result = await carryOut(vmi, plan);
      if (!isOver(vmi.status?.migrationState ?? {})) await publishStatus(vmi);
      return result;
    },
  };
}
