import { isTrue, keyOf, names, resources } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache, EventRecorder, Reconciler, ReconcileResult } from '@godwit/reconcile';
import type { AgentMetrics } from '../endpoint/metrics.ts';
import { isFinished } from '../launcher/decide.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { Machines } from '../launcher/machines.ts';
import { createBeginnings } from './beginnings.ts';
import { decideLeftover, decideMove, isExpected, isOver, targetPorts } from './decide.ts';
import type { MovePlan, SeenMove } from './decide.ts';
import { noteRefusal } from './executors.ts';
import type { Executor } from './executors.ts';
import type { Moves } from './moves.ts';
import { abortPassedOn, portsOf, targetListens } from './outcome.ts';
import { changeRecord, createMoveTelling } from './telling.ts';

type Vmi = Stored<VirtualMachineInstance>;

export interface MoveReconcilerIo {
  readonly client: KubeClient;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly migrations: Cache<VirtualMachineInstanceMigration>;
  readonly pods: Cache<Pod>;
  readonly machines: Machines;
  readonly events: EventRecorder;
  readonly metrics: AgentMetrics;
  readonly moves: Moves;
}

/** Carries out on this node what VMI migration records ask of it, and reports how it went. */
export function createMoveReconciler(
  options: { readonly nodeName: string; readonly address: string },
  { io, clock, log }: { io: MoveReconcilerIo; clock: Clock; log: Logger },
): Reconciler {
  const { nodeName } = options;
  const telling = createMoveTelling(nodeName, migrationsOf, { io, clock, log });
  const beginnings = createBeginnings(io.client, nodeName, clock);

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

  async function startTarget(vmi: Vmi, migration: Stored<VirtualMachineInstanceMigration>): Promise<void> {
    const pod = targetPod(vmi);
    if (!pod) return;
    const ports = await io.moves.startTarget(vmi, migration, pod);
    const at = { address: options.address, ports, nodeName, podName: pod.metadata.name };
    await changeRecord(io.client, vmi, (current) => targetListens(current, migration.metadata.uid, at));
  }

  async function startSource(vmi: Vmi, migration: Stored<VirtualMachineInstanceMigration>): Promise<void> {
    const held = sourceMachine(vmi);
    const state = vmi.status?.migrationState;
    const host = state?.targetNodeAddress ?? state?.targetState?.nodeAddress;
    const ports = portsOf((state && targetPorts(state)) ?? {});
    if (!held || host === undefined || !ports) return;
    const credentials = await io.moves.prepareSource(vmi, migration);
    await inTurn(vmi, migration, held, (current) =>
      io.moves.startSource(current, migration, held, { target: { host, ports }, credentials }),
    );
  }

  /**
   * Disks that come or go, and verbs for the guest, do so before, or find the migration under way. They wait meanwhile, so that
   * nothing of it may wait for others.
   */
  function inTurn(
    vmi: Vmi,
    { metadata }: Stored<VirtualMachineInstanceMigration>,
    held: HeldMachine,
    start: (current: Vmi) => Promise<void>,
  ): Promise<void> {
    return io.machines.exclusively(held.record.pod.uid, async () => {
      const current = io.instances.get(keyOf(vmi));
      if (current?.status?.migrationState?.migrationUid === metadata.uid) await start(current);
    });
  }

  async function begin(vmi: Vmi, role: 'source' | 'target' | 'in-place'): Promise<void> {
    const migration = migrationOf(vmi);
    if (!migration) return;
    try {
      if (role === 'target') return await startTarget(vmi, migration);
      if (role === 'source') return await startSource(vmi, migration);
      const held = sourceMachine(vmi);
      if (held) await inTurn(vmi, migration, held, (current) => io.moves.startInPlace(current, migration, held));
    } catch (error) {
      // What time cannot heal ends the migration, with its reason; the rest is tried again.
      if (!isGodwitError(error) || error.retry !== 'never') {
        await beginnings.failed(vmi, role, error);
        throw error;
      }
      await telling.closeFailed(vmi, migration.metadata.uid, describeError(error), false, { code: error.code });
    }
  }

  async function tell<T>(ended: Executor, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      noteRefusal(ended, error);
      throw error;
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
        if (migration) io.moves.prepareSource(vmi, migration).catch(() => undefined); // told when it is needed
        return;
      }
      case 'start-source':
        return begin(vmi, 'source');
      case 'start-in-place':
        return begin(vmi, 'in-place');
      case 'abort':
        await changeRecord(io.client, vmi, (current) => abortPassedOn(current, migrationUid));
        io.moves.abort(executor(plan.role)?.record.pod.uid ?? '', 'the migration was aborted by request');
        return;
      case 'stop': {
        const over = executor(plan.role);
        return over && stop(over, plan, state?.failureReason ?? 'the migration is over');
      }
      case 'let-go':
        return hear(executor(plan.role), 'whole');
      case 'close-failed':
        return telling.closeFailed(
          vmi,
          migrationUid,
          beginnings.withCause(vmi, plan.reason),
          plan.aborted,
          plan.settledOn === undefined ? {} : { settledOn: plan.settledOn },
        );
      case 'report': {
        const ended = executor(plan.role);
        return ended && tell(ended, () => telling.report(vmi, ended));
      }
      case 'forget': {
        const ended = executor(plan.role);
        if (!ended) return;
        await tell(ended, () => telling.complete(vmi, ended));
        await io.moves.forget(ended);
      }
    }
  }

  function hear(executor: Executor | undefined, word: 'whole' | 'aborted'): void {
    if (executor?.handle.role === 'source') executor.handle.hear(word);
  }

  function stop(executor: Executor, plan: Extract<MovePlan, { do: 'stop' }>, reason: string): void {
    io.moves.abort(executor.record.pod.uid, reason);
    if (plan.targetGaveUp) hear(executor, 'aborted');
  }

  /** Executors of records that are no longer the VMI's have nobody left to tell, and find in their own object how it ended. */
  async function settleLeftovers(vmi: Vmi): Promise<void> {
    for (const executor of io.moves.of(vmi.metadata.uid)) {
      const { migrationUid, role } = executor.record;
      if (migrationUid === vmi.status?.migrationState?.migrationUid) continue;
      const own = migrationsOf(vmi).find(({ metadata }) => metadata.uid === migrationUid)?.status?.migrationState;
      const state = executor.outcome === undefined ? 'running' : 'ended';
      const plan = decideLeftover({ migrationUid, role, state }, own?.migrationUid === migrationUid ? own : undefined);
      if (plan.do === 'forget') await io.moves.forget(executor);
      else if (plan.do === 'let-go') hear(executor, 'whole');
      else if (plan.do === 'stop') stop(executor, plan, 'the migration record is gone');
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
      if (!vmi) return beginnings.gone(key);
      await settleLeftovers(vmi);
      const idle = io.moves.of(vmi.metadata.uid).length === 0;
      if (idle && isExpected(migrationsOf(vmi), isHere(vmi))) io.moves.expect();
      const plan = decideMove(observe(vmi));
      const result = await carryOut(vmi, plan);
      const running = io.moves.of(vmi.metadata.uid).filter((executor) => executor.outcome === undefined);
      if (!isOver(vmi.status?.migrationState ?? {})) await telling.publish(vmi, running);
      else if (running.length === 0) await beginnings.over(vmi);
      return result;
    },
  };
}
