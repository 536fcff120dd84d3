import type { ObjectKey } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { isForbidden, isUnreachable } from '@godwit/kube-client';
import type { MoveCustody } from '../launcher/reconciler.ts';
import { forgetMigration } from '../migration/index.ts';
import { insist } from '../migration/insist.ts';
import type { InPlaceOutcome, RunningMigration, SideStatus, SourceOutcome, TargetOutcome } from '../migration/types.ts';
import type { SeenExecutor } from './decide.ts';
import type { ProgressWriter } from './progress-writer.ts';
import type { MoveRecord, MoveRecords } from './record.ts';

/** No certificate is good for longer: nobody can ask a target any more. */
const CERTIFICATE_MS = 60 * 60_000;

export type Outcome = SourceOutcome | TargetOutcome | InPlaceOutcome;

export interface Executor {
  readonly record: MoveRecord;
  readonly handle: RunningMigration;
  readonly progress: Pick<ProgressWriter, 'flush'>;
  outcome: Outcome | undefined;
  endedAtMs: number | undefined;
  /** Attempts to tell how it ended that the API server has answered with a refusal. */
  refusedTellings?: number;
  /** It does not let this node tell: nothing waits for that any more. */
  refused?: boolean;
  /** The notice in its status has been told. */
  noticed?: boolean;
  /** Why its outcome cannot be carried out yet. */
  hindrance?: string | undefined;
  /** The agent ends. */
  closed?: Promise<void>;
  /** Asked to end; asking once is enough, the executor does not forget. */
  aborting: boolean;
}

/** The migrations this agent executes, from the moment they start until the API objects show how they ended. */
export interface Executors extends MoveCustody {
  list(): readonly Executor[];
  of(vmiUid: string): readonly Executor[];
  seen(vmiUid: string): readonly SeenExecutor[];
  add(record: MoveRecord, handle: RunningMigration, progress: Executor['progress']): Executor;
  /** What was kept of it goes, and it ends: nobody can ask this node about it any more. */
  forget(executor: Executor): Promise<void>;
  /** Ends their driving, in a few seconds; guests that stood still for a comparison or a switchover run. Idempotent. */
  close(): Promise<void>;
}

export interface ExecutorsOptions {
  readonly journalDir: string;
  readonly moveRecords: MoveRecords;
  /** What an outcome means for this node's machines; carried out before anybody is told. */
  readonly settle: (executor: Executor, outcome: Outcome) => Promise<void>;
  readonly onChange: (vmi: ObjectKey) => void;
  readonly onPod: (pod: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** As many as a VMI that others change all the time may take. */
const MOST_TELLINGS = 10;

/** Counts a failure to tell; a server that cannot be reached has refused nothing. */
export function noteRefusal(executor: Executor, error: unknown): void {
  if (isUnreachable(error)) return;
  executor.refusedTellings = (executor.refusedTellings ?? 0) + 1;
  if (isForbidden(error) || executor.refusedTellings >= MOST_TELLINGS) executor.refused = true;
}

export function vmiKeyOf(record: MoveRecord): ObjectKey {
  return { namespace: record.pod.namespace, name: record.vmi.name };
}

export function createExecutors(options: ExecutorsOptions): Executors {
  const { journalDir, moveRecords, settle, onChange, onPod, clock, log } = options;
  const byPod = new Map<string, Executor>();
  /** Forgotten, but their source may not find in its record what it must know. */
  const lingering = new Set<RunningMigration>();
  let closing = false;

  function linger(handle: RunningMigration): void {
    lingering.add(handle);
    clock.after(CERTIFICATE_MS, () => {
      lingering.delete(handle);
      void handle.close();
    });
  }

  async function follow(executor: Executor): Promise<void> {
    const { record, handle } = executor;
    const outcome = await handle.done;
    // An executor that was closed says nothing about its migration: the next agent takes it up.
    if (closing) return;
    const timeline =
      'timeline' in outcome ? { timeline: outcome.timeline.map((entry) => `${entry.step} ${entry.atMs}`) } : {};
    log.info(
      { migrationUID: record.migrationUid, role: record.role, result: outcome.result, ...timeline },
      'migration ended here',
    );
    await insist(() => settle(executor, outcome), {
      hindrance: 'The migration has ended, but its node cannot record what that means for the guest',
      stopped: () => closing,
      hindered: (why) => {
        executor.hindrance = why;
        onChange(vmiKeyOf(record));
      },
      log,
    });
    executor.outcome = outcome;
    executor.endedAtMs = clock.now();
    onChange(vmiKeyOf(record));
    onPod(record.pod);
  }

  function of(vmiUid: string): Executor[] {
    return [...byPod.values()].filter(({ record }) => record.vmi.uid === vmiUid);
  }

  async function forget(executor: Executor): Promise<void> {
    const { record, handle } = executor;
    await executor.progress.flush();
    if (mayBeAsked(executor)) linger(handle);
    else await (executor.closed ??= handle.close());
    await forgetMigration(journalDir, record.identity, record.role);
    await moveRecords.remove(record.pod.uid);
    if (byPod.get(record.pod.uid) === executor) byPod.delete(record.pod.uid);
  }

  return {
    list: () => [...byPod.values()],
    of,
    seen: (vmiUid) =>
      of(vmiUid).map(({ record, outcome, aborting }) => ({
        migrationUid: record.migrationUid,
        role: record.role,
        state: outcome === undefined ? 'running' : 'ended',
        aborting,
      })),
    add(record, handle, progress) {
      const executor: Executor = {
        record,
        handle,
        progress,
        outcome: undefined,
        endedAtMs: undefined,
        aborting: false,
      };
      byPod.set(record.pod.uid, executor);
      follow(executor).catch((error: unknown) =>
        log.error({ migrationUID: record.migrationUid, err: describeError(error) }, 'outcome could not be settled'),
      );
      return executor;
    },
    forget,
    async forgetPod(podUid) {
      const executor = byPod.get(podUid);
      if (executor) await forget(executor);
    },
    isMoving(podUid) {
      const executor = byPod.get(podUid);
      return executor !== undefined && executor.outcome === undefined;
    },
    isSource(podUid) {
      const executor = byPod.get(podUid);
      return executor !== undefined && executor.outcome === undefined && executor.record.role !== 'target';
    },
    isUnreadable(podUid) {
      const executor = byPod.get(podUid);
      return executor?.outcome === undefined && executor?.handle.status().unreadable === true;
    },
    isUntold(podUid) {
      const { outcome, record, refused } = byPod.get(podUid) ?? {};
      if (outcome === undefined || refused === true) return false;
      // A source that has succeeded waits for its target to tell, which may never come back.
      // Where the data of the source are is not for the other cluster to tell.
      return outcome.result !== 'succeeded' && !(record?.crossCluster === true && record.role === 'target');
    },
    abort(podUid, reason, guest) {
      const executor = byPod.get(podUid);
      if (!executor || executor.outcome !== undefined) return;
      if (guest !== undefined && executor.handle.role === 'target') executor.handle.endGuest(guest);
      if (executor.aborting) return;
      executor.aborting = true;
      executor.handle
        .abort(reason)
        .catch((error: unknown) =>
          log.warn({ migrationUID: executor.record.migrationUid, err: describeError(error) }, 'abort failed'),
        );
    },
    async close() {
      closing = true;
      const kept = [...byPod.values()].map((executor) => (executor.closed ??= executor.handle.close()));
      await Promise.all([...kept, ...[...lingering].map((handle) => handle.close())]);
    },
  };
}

/**
 * A source in this cluster finds in the VMI's record that the target has the guest, or never will. One in another cluster hears of
 * it by way of others, and no record says for certain what became of a guest torn by post-copy.
 */
function mayBeAsked({ record, outcome }: Executor): boolean {
  if (record.role !== 'target' || outcome === undefined) return false;
  return record.crossCluster || ('torn' in outcome && outcome.torn === true);
}

/** The incoming QEMU of a target executor, once there is one. */
export function incomingMachine(handle: RunningMigration): Machine | undefined {
  return handle.role === 'target' ? handle.machine() : undefined;
}

export function statusOf(executor: Executor): SideStatus {
  const status = executor.handle.status();
  return executor.hindrance === undefined ? status : { ...status, hindrance: executor.hindrance };
}
