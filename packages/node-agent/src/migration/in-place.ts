import { systemClock, type Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { Logger } from '@godwit/core/logger';
import type { DiskBacking, Machine } from '@godwit/hypervisor';
import {
  accumulateProgress,
  convergencePolicy,
  noProgress,
  type ConvergencePolicy,
  type ProgressReading,
} from '@godwit/migration';
import type { MigrationConfiguration } from '@godwit/api';
import { durably } from './durably.ts';
import { allHeldBy, endedWith, holdingsNow, type Holdings } from './holdings.ts';
import { openJournal, type Journal } from './journal.ts';
import { mirrorInSync, type DiskMove } from './mirror-in-sync.ts';
import { countWritten, type WrittenBytes } from './written-bytes.ts';
import type {
  InPlaceMove,
  InPlaceOptions,
  InPlaceOutcome,
  MigrationIdentity,
  SideStatus,
  TimelineEntry,
} from './types.ts';

/**
 * Moves disks of a running guest to other files or devices inside its own QEMU.
 *
 *   mirroring all ──all in sync──▶ pivoting (recorded) ──▶ one disk after the other ──▶ done
 *       │ failure, abort                │ a pivot fails: that disk is mirrored and pivoted once more
 *       ▼                               ▼ fails again: disks already moved go back the same way
 *   cancelled: all on the old volumes   all on the old volumes, or (going back failed too) `moved` names the rest
 *
 * The pivot of one disk is its commit. Mirrors are synchronous: once in sync, every acknowledged write is on both volumes,
 * so whatever dies in the middle of a pivot, the new volume holds everything. Before that stops being true of a disk (it
 * is copied once more, or goes back) the journal says which of its volumes holds everything.
 */
export interface InPlaceContext {
  readonly identity: MigrationIdentity;
  readonly directory: string;
  readonly configuration: MigrationConfiguration;
  readonly disks: readonly DiskMove[];
}

type Phase = 'mirroring' | 'pivoting' | 'done' | 'failed';
interface InPlaceRecord {
  readonly record: Phase;
  readonly reason?: string;
  readonly moved?: readonly string[];
  /** While pivoting: where a disk's writes are, should QEMU die. */
  readonly holdings?: Holdings;
}

export function startInPlace(options: InPlaceOptions): InPlaceMove {
  const { identity, machine, configuration, disks, journalDir } = options;
  return driveInPlace({
    context: { identity, directory: machine.directory, configuration, disks },
    journal: openJournal(journalDir, identity.id, 'in-place'),
    machine,
    resumed: false,
    log: options.log,
    clock: options.clock ?? systemClock,
    onStatus: options.onStatus,
    onProgress: options.onProgress,
  });
}

export function recoverInPlace(options: {
  readonly context: InPlaceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
}): InPlaceMove {
  return driveInPlace({ ...options, resumed: true, onProgress: undefined });
}

function driveInPlace(options: {
  readonly context: InPlaceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly resumed: boolean;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: InPlaceOptions['onStatus'];
  readonly onProgress: InPlaceOptions['onProgress'];
}): InPlaceMove {
  const { context, journal, machine, clock } = options;
  const { identity, disks } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'in-place' });
  const policy: ConvergencePolicy = convergencePolicy(context.configuration);
  const names = disks.map((disk) => disk.name);
  const startedMs = clock.now();
  const timeline: TimelineEntry[] = [];
  const mark = (step: string) => timeline.push({ step, atMs: clock.now() - startedMs });
  const abort = new AbortController();
  const closed = new AbortController();
  let status: SideStatus = { phase: 'Mirroring', undecided: false };
  let hindrance: string | undefined;
  const seen = (): SideStatus => (hindrance === undefined ? status : { ...status, hindrance });
  const hindered = (why: string | undefined) => {
    hindrance = why;
    options.onStatus?.(seen());
  };
  let progress = noProgress;
  /** Absent after a restart: nobody has counted. */
  let written: WrittenBytes | undefined;
  let holdings = allHeldBy(disks, 'from');

  const report = (reading: Omit<ProgressReading, 'atMs'>) => {
    progress = accumulateProgress(progress, { ...reading, atMs: clock.now() });
    if (progress.published !== undefined) options.onProgress?.(progress.published);
  };
  const look = async (stage: ProgressReading['stage'], volumes: ProgressReading['volumes'] = []) =>
    report({ stage, volumes, ...(written && { bytesTransferred: await written(volumes) }) });
  const enter = (next: SideStatus) => {
    status = next;
    options.onStatus?.(seen());
  };
  const record = (next: InPlaceRecord) => durably(() => journal.writeRecord(next), log, hindered);
  const note = (next: Holdings) => {
    holdings = next;
    return record({ record: 'pivoting', holdings });
  };

  async function run(): Promise<InPlaceOutcome> {
    const before = options.resumed ? readRecord(await journal.readRecord()) : undefined;
    if (before?.record === 'done') return succeeded();
    if (before?.record === 'failed') return failed(before.reason ?? 'The move failed', before.moved ?? []);
    if (before?.record === 'pivoting') {
      holdings = before.holdings ?? allHeldBy(disks, 'both');
      return machine === undefined ? end('The QEMU process ended during the move') : pivotAll(machine);
    }
    if (machine === undefined) return giveUp(undefined, 'The QEMU process ended during the move');
    if (options.resumed) return giveUp(machine, 'The agent of the node restarted during the move');
    await journal.writeContext(context);
    await record({ record: 'mirroring' });
    written = await countWritten(disks);
    enter(status);
    try {
      await mirrorInSync({
        machine,
        moves: disks,
        policy,
        clock,
        signal: abort.signal,
        onLook: (volumes) => look('CopyingDisks', volumes),
      });
    } catch (error) {
      if (closed.signal.aborted) throw error;
      return giveUp(machine, describeError(error));
    }
    mark('disks in sync');
    if (abort.signal.aborted) return giveUp(machine, 'The move was aborted');
    await note(allHeldBy(disks, 'both'));
    return pivotAll(machine);
  }

  /** From here an abort is too late. */
  async function pivotAll(running: Machine): Promise<InPlaceOutcome> {
    enter({ phase: 'Pivoting', undecided: false });
    report({ stage: 'SwitchingOver' });
    try {
      for (const disk of disks) {
        await pivot(running, disk, disk.to);
        mark(`pivoted ${disk.name}`);
      }
      return await finish();
    } catch (error) {
      if (closed.signal.aborted) throw error;
      const reason = describeError(error);
      if ((await running.state().catch(() => undefined)) === 'gone') return end(reason);
      log.error({ reason }, 'a pivot failed, moving back');
      enter({ phase: 'MovingBack', undecided: false, message: reason });
      return giveUp(running, reason);
    }
  }

  /** Idempotent: looks where the disk is first; mirrors anew when the mirror is gone. */
  async function pivot(running: Machine, disk: DiskMove, to: DiskBacking): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const on = (await running.backings()).find((backing) => backing.name === disk.name);
      if (on?.path === to.path) return;
      try {
        const mirror = (await running.mirrors()).find((one) => one.disk === disk.name);
        if (mirror === undefined || mirror.error !== undefined || !mirror.ready) {
          await note(holdingsNow(disks, await running.backings(), await running.mirrors()));
          await running.cancelMirror(disk.name);
          await mirrorInSync({
            machine: running,
            moves: [{ ...disk, to }],
            policy,
            clock,
            signal: closed.signal,
            onLook: (volumes) => look('SwitchingOver', volumes),
          });
          // True of both volumes now; after the pivot only of this one.
          await note({ ...holdings, [disk.name]: to === disk.from ? 'from' : 'to' });
        }
        await running.pivotMirror(disk.name);
      } catch (error) {
        const failure = new GodwitError('MIGRATION_PIVOT_FAILED', `Disk ${disk.name} cannot be moved to ${to.path}`, {
          cause: error,
        });
        if (attempt === 2 || closed.signal.aborted) throw failure;
        log.warn({ disk: disk.name, error: describeError(error) }, 'pivot failed, trying once more');
      }
    }
  }

  /** Every disk back on its old volume, nothing attached. */
  async function giveUp(running: Machine | undefined, reason: string): Promise<InPlaceOutcome> {
    const moved: string[] = [];
    // What is cancelled below holds nothing new from then on.
    if (status.phase === 'MovingBack' && running !== undefined) {
      const backings = await running.backings().catch(() => undefined);
      if (backings === undefined) return end(reason);
      await note(holdingsNow(disks, backings, []));
    }
    for (const disk of running === undefined ? [] : disks) {
      const onNew = async () =>
        (await running?.backings())?.find((one) => one.name === disk.name)?.path === disk.to.path;
      let wasOnNew = status.phase === 'MovingBack' && holdings[disk.name] === 'to';
      try {
        wasOnNew = await onNew();
        if (running !== undefined && wasOnNew) await pivot(running, disk, disk.from);
        else await running?.cancelMirror(disk.name);
      } catch (error) {
        if (closed.signal.aborted) throw error;
        if ((await running?.state().catch(() => undefined)) === 'gone') return end(reason);
        // A mirror that cannot be cancelled leaves the disk where it is: only QEMU says where that is.
        const stays = await onNew().catch(() => wasOnNew);
        const text = stays ? 'a disk stays on its new volume' : 'the copy of a disk cannot be cancelled';
        log.error({ disk: disk.name, error: describeError(error) }, text);
        if (stays) moved.push(disk.name);
      }
    }
    mark('given up');
    await record({ record: 'failed', reason, moved });
    return failed(reason, moved);
  }

  /** QEMU is gone: the guest's next start is on the volumes that hold everything. */
  async function end(reason: string): Promise<InPlaceOutcome> {
    const { moved } = endedWith(holdings);
    if (moved === 'all') return finish();
    await record({ record: 'failed', reason, moved });
    return failed(reason, moved);
  }

  async function finish(): Promise<InPlaceOutcome> {
    await record({ record: 'done' });
    return succeeded();
  }

  async function succeeded(): Promise<InPlaceOutcome> {
    const totalMs = clock.now() - startedMs;
    const bytes = (await written?.([])) ?? 0;
    mark('done');
    report({ stage: 'Done', downtimeMs: 0, totalMs, ...(written && { bytesTransferred: bytes }) });
    enter({ phase: 'Done', undecided: false });
    return { result: 'succeeded', totalMs, bytes, downtimeMs: 0, timeline };
  }

  function failed(reason: string, moved: readonly string[]): InPlaceOutcome {
    report({ stage: 'Failed' });
    enter({ phase: 'Failed', undecided: false, message: reason });
    return { result: abort.signal.aborted ? 'aborted' : 'failed', reason, moved, timeline };
  }

  const result = Promise.withResolvers<InPlaceOutcome>();
  const work = run().then(result.resolve, (error: unknown) => {
    // After close() the journal decides; otherwise the record could not be written, and nothing has begun.
    if (!closed.signal.aborted) result.resolve(failed(describeError(error), []));
  });
  log.info({ disks: names }, 'moving disks in place');

  return {
    role: 'in-place',
    identity,
    status: seen,
    done: result.promise,
    async abort(reason) {
      abort.abort(new GodwitError('MIGRATION_ABORTED', reason));
      return result.promise;
    },
    async close() {
      closed.abort();
      abort.abort(new GodwitError('MIGRATION_ABORTED', 'The agent ends'));
      await work;
    },
  };
}

function readRecord(value: unknown): InPlaceRecord | undefined {
  return isObject(value) && typeof value['record'] === 'string' ? (value as unknown as InPlaceRecord) : undefined;
}
