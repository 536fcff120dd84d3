import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { convergencePolicy, type ConvergencePolicy } from '@godwit/migration';
import type { MigrationConfiguration } from '@godwit/api';
import { durably } from '../durably.ts';
import { holdCopies } from './hold-copies.ts';
import { allHeldBy, endedWith, holdingsNow, type Holdings } from './holdings.ts';
import { reportInPlace } from './in-place-report.ts';
import { isCertainlyUnwritten, type Journal } from '../journal.ts';
import { readInPlaceRecord, type InPlaceRecord } from './in-place-record.ts';
import { persist } from '../persist.ts';
import { cancelMirrors, settleHeld } from './pivot-disks.ts';
import type { DiskMove } from '../disks/mirror-in-sync.ts';
import { stillGuest } from './still-guest.ts';
import { compareHeld } from '../verification/verify-in-place.ts';
import type { InPlaceMove, InPlaceOptions, InPlaceOutcome, MigrationIdentity } from '../types.ts';
import { tellProgress, type ProgressKeeper } from '../tell-progress.ts';
import { liftWriteLimits, limitWrites } from '../disks/write-limits.ts';

/** What a restarted agent needs to end its move well. */
export interface InPlaceContext {
  readonly identity: MigrationIdentity;
  readonly directory: string;
  readonly configuration: MigrationConfiguration;
  readonly disks: readonly DiskMove[];
  readonly verify?: boolean;
  /** The guest ran when the move began: whoever comes next may find it paused by the move. */
  readonly pauses?: boolean;
}

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
 * Held: at one instant both volumes of every disk are equal, and the guest stands still. The record that is written then is
 * the commit. Who dies before it leaves the old volumes with everything that the guest was told is written, who dies after
 * it the new ones, whether or not QEMU has pivoted yet; whoever comes next looks at the record. The guest goes on only once
 * the record is true of every disk: should QEMU refuse a pivot, where each disk is then is recorded first. On request both
 * volumes are compared while held, and the record is written only when they are equal.
 */
export function driveInPlace(options: {
  readonly context: InPlaceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly resumed: boolean;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: InPlaceOptions['onStatus'];
  readonly onProgress: InPlaceOptions['onProgress'];
  /** After a restart: how far it was. */
  readonly told?: ProgressKeeper['told'] | undefined;
  readonly onVerified: InPlaceOptions['onVerified'];
}): InPlaceMove {
  const { context, journal, machine, clock, onStatus, onProgress, onVerified } = options;
  const { identity, disks } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'in-place' });
  const policy: ConvergencePolicy = convergencePolicy(context.configuration);
  const names = disks.map((disk) => disk.name);
  const abort = new AbortController();
  const check = () => abort.signal.throwIfAborted();
  const closed = new AbortController();
  const report = reportInPlace({
    disks,
    tell: tellProgress({ tell: onProgress, told: options.told, stopped: () => closed.signal.aborted, clock }),
    clock,
    ...(onStatus && { onStatus }),
    ...(onVerified && { onVerified }),
  });
  const { mark, enter, hindered } = report;
  const patience = { closed: closed.signal, hindered, clock };
  let holdings = allHeldBy(disks, 'from');

  const record = (next: InPlaceRecord) =>
    durably(() => journal.writeRecord({ ...next, ...report.verification() }), log, hindered);
  // An earlier version paused guests for a comparison only.
  let pauses = context.pauses ?? context.verify === true;
  const guest = stillGuest({ pauses: () => pauses, ...patience });
  /** Nothing of the move holds the guest any more. */
  const letGo = async (running: Machine) => {
    await guest.letRun(running);
    await persist(running, () => liftWriteLimits(running, names), {
      ...patience,
      hindrance: 'The limit of what the guest writes cannot be lifted',
    });
  };
  /** The next agent gives the move up; until it comes the guest need neither stand still nor write less. */
  const leave = async (running: Machine) => {
    await liftWriteLimits(running, names).catch(() => undefined);
    await cancelMirrors(running, disks);
    await guest.letRun(running);
  };
  const note = (next: Holdings) => {
    holdings = next;
    return record({ record: 'pivoting', holdings });
  };

  async function run(): Promise<InPlaceOutcome> {
    const before = options.resumed ? readInPlaceRecord(await journal.readRecord()) : undefined;
    report.restore(before?.verification);
    if (before?.record === 'done') return succeeded();
    if (before?.record === 'failed') return failed(before.reason ?? 'The move failed', before.moved ?? []);
    if (before?.record === 'pivoting') {
      holdings = before.holdings ?? allHeldBy(disks, 'to');
      return machine === undefined ? end('The QEMU process ended during the move') : pivot(machine);
    }
    if (machine === undefined) return giveUp(undefined, 'The QEMU process ended during the move');
    if (options.resumed) return giveUp(machine, 'The agent of the node restarted during the move');
    // Verbs are for the migration to give by now: nobody else pauses the guest any more, or has it run.
    pauses = disks.length > 0 && (await machine.state()) === 'running';
    await journal.writeContext({ ...context, pauses });
    // A context without a record says the same: only the commit waits for it.
    const begun = record({ record: 'mirroring' });
    await report.begin();
    enter(report.status());
    try {
      await copyAndHold(machine, disks, abort.signal, 'CopyingDisks', begun);
      if (abort.signal.aborted) return await giveUp(machine, 'The move was aborted');
      enter({ phase: 'Held', undecided: false });
      if (context.verify) await compareHeld({ moves: disks, check, onVerified: report.verified, clock });
      await commit(allHeldBy(disks, 'to'));
    } catch (error) {
      await begun;
      if (closed.signal.aborted) {
        await leave(machine);
        throw error;
      }
      return giveUp(machine, describeError(error));
    }
    return pivot(machine);
  }

  async function copyAndHold(
    running: Machine,
    moves: readonly DiskMove[],
    signal: AbortSignal,
    stage: 'CopyingDisks' | 'SwitchingOver',
    begun?: Promise<void>,
  ): Promise<void> {
    await holdCopies({
      machine: running,
      moves,
      policy,
      writes: limitWrites(running),
      guest,
      onLook: (volumes) => report.look(stage, volumes),
      onInSync: async () => {
        await begun;
        mark('disks in sync');
      },
      signal,
      endsWithGuest: stage === 'CopyingDisks',
      clock,
      log,
    });
  }

  /** The guest's requests wait for this. Rejects only when the record is certainly not written. */
  async function commit(next: Holdings): Promise<void> {
    const entry: InPlaceRecord = { record: 'pivoting', holdings: next };
    try {
      await journal.writeRecord({ ...entry, ...report.verification() });
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
    mark('pivoted');
    const now = await lookAt(running);
    if (now === undefined) return end(reason ?? 'The QEMU process ended during the move');
    const all = endedWith(now).moved === 'all';
    // What the guest writes from here on is on these volumes only.
    if (!all) await note(now);
    await letGo(running);
    await report.look('SwitchingOver');
    if (all) return finish();
    const why = reason ?? 'The agent of the node restarted while disks were moved back';
    log.error({ reason: why }, 'a pivot failed, moving back');
    enter({ phase: 'MovingBack', undecided: false, message: why });
    return giveUp(running, why);
  }

  /** Undefined when QEMU is gone. */
  const lookAt = (running: Machine): Promise<Holdings | undefined> =>
    persist(running, async () => holdingsNow(disks, await running.backings()), {
      ...patience,
      hindrance: 'QEMU does not say where the disks are',
    });

  /** Every disk back on its old volume, nothing attached. */
  async function giveUp(running: Machine | undefined, reason: string): Promise<InPlaceOutcome> {
    let moved: readonly string[] = [];
    if (running !== undefined) {
      // First of all, so that nothing holds the guest.
      const uncancelled = await cancelMirrors(running, disks);
      await letGo(running);
      const now = await lookAt(running);
      if (now === undefined) return end(reason);
      for (const { disk, error } of uncancelled) log.error({ disk, error }, 'the copy of a disk cannot be cancelled');
      const away = disks.filter(({ name }) => now[name] === 'to');
      if (away.length > 0) {
        const recorded = holdings;
        try {
          await moveBack(running, away);
        } catch (error) {
          if (closed.signal.aborted) {
            // Once it is recorded that disks are back, nothing but their pivots makes it true.
            if (holdings === recorded) await leave(running);
            throw error;
          }
          await cancelMirrors(running, disks);
          const stay = await lookAt(running);
          if (stay === undefined) return end(reason);
          await note(stay);
          moved = away.map(({ name }) => name).filter((name) => stay[name] === 'to');
          log.error({ disks: moved, error: describeError(error) }, 'disks stay on their new volumes');
        }
        await letGo(running);
      }
    }
    mark('given up');
    await record({ record: 'failed', reason, moved });
    return failed(reason, moved);
  }

  async function moveBack(running: Machine, away: readonly DiskMove[]): Promise<void> {
    const back = away.map((disk) => ({ ...disk, from: disk.to, to: disk.from }));
    await copyAndHold(running, back, closed.signal, 'SwitchingOver');
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

  const succeeded = () => report.succeeded(guest.pausedMs());
  const failed = (reason: string, moved: readonly string[]) => report.failed(reason, moved, abort.signal.aborted);

  const result = Promise.withResolvers<InPlaceOutcome>();
  const work = run().then(result.resolve, (error: unknown) => {
    // After close() the journal decides; otherwise the record could not be written, and nothing has begun.
    if (!closed.signal.aborted) result.resolve(failed(describeError(error), []));
  });
  log.info({ disks: names }, 'moving disks in place');

  return {
    role: 'in-place',
    identity,
    status: report.status,
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
