import { systemClock, type Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import {
  accumulateProgress,
  convergencePolicy,
  noProgress,
  type ConvergencePolicy,
  type DiskSituation,
  type ProgressReading,
} from '@godwit/migration';
import type { MigrationConfiguration, MigrationVerification } from '@godwit/api';
import { durably } from './durably.ts';
import { allHeldBy, endedWith, holdingsNow, type Holdings } from './holdings.ts';
import { isCertainlyUnwritten, openJournal, type Journal } from './journal.ts';
import { readInPlaceRecord, type InPlaceRecord } from './in-place-record.ts';
import { cancelMirrors, holdDisks, settleHeld } from './pivot-disks.ts';
import { mirrorInSync, type DiskMove } from './mirror-in-sync.ts';
import { holdForComparison } from './verification/verify-in-place.ts';
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
 *   mirroring ──in sync──▶ held ──recorded──▶ pivoting ──▶ done
 *       │ failure, abort     │ cannot be held          │ QEMU refuses one of the pivots
 *       │                    ▼                         ▼
 *       │           mirrored once more with     those that moved go back the same way
 *       ▼           the guest's writes               │
 *   cancelled: all on the old volumes  ◀─────────────┘ or (going back failed too) `moved` names the rest
 *
 * Held: at one instant both volumes of every disk are equal, and the guest's requests wait. The record that is written
 * then is the commit. Who dies before it leaves the old volumes with everything that the guest was told is written, who
 * dies after it the new ones, whether or not QEMU has pivoted yet; whoever comes next looks at the record. On request both
 * volumes are compared while held, the guest paused, and the record is written only when they are equal.
 */
export interface InPlaceContext {
  readonly identity: MigrationIdentity;
  readonly directory: string;
  readonly configuration: MigrationConfiguration;
  readonly disks: readonly DiskMove[];
  /** Disks are compared; whoever comes next may find the guest paused for that. */
  readonly verify?: boolean;
}

const LOOK_AGAIN_MS = 200;

export function startInPlace(options: InPlaceOptions): InPlaceMove {
  const { identity, machine, configuration, disks, journalDir } = options;
  return driveInPlace({
    context: { identity, directory: machine.directory, configuration, disks, verify: options.verify === true },
    journal: openJournal(journalDir, identity.id, 'in-place'),
    machine,
    resumed: false,
    log: options.log,
    clock: options.clock ?? systemClock,
    onStatus: options.onStatus,
    onProgress: options.onProgress,
    onVerified: options.onVerified,
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
  return driveInPlace({ ...options, resumed: true, onProgress: undefined, onVerified: undefined });
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
  readonly onVerified: InPlaceOptions['onVerified'];
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
  let verification: MigrationVerification | undefined;
  const verified = () => (verification === undefined ? {} : { verification });
  const record = (next: InPlaceRecord) => durably(() => journal.writeRecord({ ...next, ...verified() }), log, hindered);
  const held = holdForComparison({
    moves: disks,
    check: () => abort.signal.throwIfAborted(),
    closed: closed.signal,
    onVerified(found) {
      verification = found;
      mark('disks compared');
      options.onVerified?.(found);
    },
    hindered,
    clock,
  });
  const letRun = async (running: Machine) => context.verify && held.letRun(running);
  const note = (next: Holdings) => {
    holdings = next;
    return record({ record: 'pivoting', holdings });
  };

  async function run(): Promise<InPlaceOutcome> {
    const before = options.resumed ? readInPlaceRecord(await journal.readRecord()) : undefined;
    verification = before?.verification;
    if (before?.record === 'done') return succeeded();
    if (before?.record === 'failed') return failed(before.reason ?? 'The move failed', before.moved ?? []);
    if (before?.record === 'pivoting') {
      holdings = before.holdings ?? allHeldBy(disks, 'to');
      return machine === undefined ? end('The QEMU process ended during the move') : pivot(machine);
    }
    if (machine === undefined) return giveUp(undefined, 'The QEMU process ended during the move');
    if (options.resumed) return giveUp(machine, 'The agent of the node restarted during the move');
    await journal.writeContext(context);
    await record({ record: 'mirroring' });
    written = await countWritten(disks);
    enter(status);
    try {
      await copyAndHold(machine, disks, abort.signal);
      if (abort.signal.aborted) return await giveUp(machine, 'The move was aborted');
      enter({ phase: 'Held', undecided: false });
      if (context.verify) await held.compare();
      await commit(allHeldBy(disks, 'to'));
    } catch (error) {
      if (closed.signal.aborted) {
        // The next agent gives the move up; until it comes the guest need not stand still.
        if (context.verify) await cancelMirrors(machine, disks).then(() => letRun(machine));
        throw error;
      }
      return giveUp(machine, describeError(error));
    }
    return pivot(machine);
  }

  /** Resolves with the guest's requests held; whatever comes of it must follow at once. After failure mirrors are left. */
  async function copyAndHold(running: Machine, moves: readonly DiskMove[], signal: AbortSignal): Promise<void> {
    const stage = status.phase === 'Mirroring' ? 'CopyingDisks' : 'SwitchingOver';
    const onLook = (volumes: ProgressReading['volumes']) => look(stage, volumes);
    const copy = async (begunAs: DiskSituation['mode']) => {
      await mirrorInSync({ machine: running, moves, policy, begunAs, clock, log, signal, onLook });
      mark('disks in sync');
      signal.throwIfAborted();
    };
    const compares = context.verify === true && status.phase === 'Mirroring';
    const hold = async () => {
      if (compares) await held.pause(running);
      await holdDisks(running, moves, policy);
    };
    await copy('background');
    try {
      return await hold();
    } catch (error) {
      log.warn({ error: describeError(error) }, 'disks cannot be held, copying them with the writes of the guest');
    }
    for (const { name } of moves) await running.cancelMirror(name);
    if (compares) await letRun(running);
    await copy('synchronous');
    await hold();
  }

  /** The guest's requests wait for this. Rejects only when the record is certainly not written. */
  async function commit(next: Holdings): Promise<void> {
    const entry: InPlaceRecord = { record: 'pivoting', holdings: next };
    try {
      await journal.writeRecord({ ...entry, ...verified() });
    } catch (error) {
      if (isCertainlyUnwritten(error)) throw error;
      await record(entry);
    }
    holdings = next;
    mark('recorded');
  }

  /** From here an abort is too late. */
  async function pivot(running: Machine): Promise<InPlaceOutcome> {
    enter({ phase: 'Pivoting', undecided: false });
    const reason = await settleHeld(running, disks, holdings);
    await letRun(running);
    mark('pivoted');
    report({ stage: 'SwitchingOver' });
    const now = await lookAt(running);
    if (now === undefined) return end(reason ?? 'The QEMU process ended during the move');
    if (endedWith(now).moved === 'all') return finish();
    const why = reason ?? 'The agent of the node restarted while disks were moved back';
    log.error({ reason: why }, 'a pivot failed, moving back');
    await note(now);
    enter({ phase: 'MovingBack', undecided: false, message: why });
    return giveUp(running, why);
  }

  /** Where the disks are; undefined when QEMU is gone. */
  async function lookAt(running: Machine): Promise<Holdings | undefined> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const now = holdingsNow(disks, await running.backings());
        if (attempt > 0) hindered(undefined);
        return now;
      } catch (error) {
        if (closed.signal.aborted) throw error;
        if ((await running.state().catch(() => undefined)) === 'gone') return undefined;
        hindered(`QEMU does not say where the disks are: ${describeError(error)}`);
        await new Promise((resolve) => clock.after(LOOK_AGAIN_MS, () => resolve(undefined)));
      }
    }
  }

  /** Every disk back on its old volume, nothing attached. */
  async function giveUp(running: Machine | undefined, reason: string): Promise<InPlaceOutcome> {
    let moved: readonly string[] = [];
    if (running !== undefined) {
      // First of all, so that nothing holds the guest.
      const uncancelled = await cancelMirrors(running, disks);
      await letRun(running);
      const now = await lookAt(running);
      if (now === undefined) return end(reason);
      for (const { disk, error } of uncancelled) log.error({ disk, error }, 'the copy of a disk cannot be cancelled');
      const away = disks.filter(({ name }) => now[name] === 'to');
      if (away.length > 0) {
        try {
          await moveBack(running, away);
        } catch (error) {
          if (closed.signal.aborted) throw error;
          await cancelMirrors(running, disks);
          const stay = await lookAt(running);
          if (stay === undefined) return end(reason);
          await note(stay);
          moved = away.map(({ name }) => name).filter((name) => stay[name] === 'to');
          log.error({ disks: moved, error: describeError(error) }, 'disks stay on their new volumes');
        }
      }
    }
    mark('given up');
    await record({ record: 'failed', reason, moved });
    return failed(reason, moved);
  }

  async function moveBack(running: Machine, away: readonly DiskMove[]): Promise<void> {
    const back = away.map((disk) => ({ ...disk, from: disk.to, to: disk.from }));
    await copyAndHold(running, back, closed.signal);
    await commit({ ...holdings, ...allHeldBy(away, 'from') });
    const reason = await settleHeld(running, disks, holdings);
    if (reason !== undefined) throw new GodwitError('MIGRATION_PIVOT_FAILED', reason);
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
    const downtimeMs = held.pausedMs();
    report({ stage: 'Done', downtimeMs, totalMs, ...(written && { bytesTransferred: bytes }) });
    enter({ phase: 'Done', undecided: false });
    return { result: 'succeeded', totalMs, bytes, downtimeMs, timeline, ...verified() };
  }

  function failed(reason: string, moved: readonly string[]): InPlaceOutcome {
    report({ stage: 'Failed' });
    enter({ phase: 'Failed', undecided: false, message: reason });
    return { result: abort.signal.aborted ? 'aborted' : 'failed', reason, moved, timeline, ...verified() };
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
