import { describeError } from '@godwit/core/errors';
import { verifyOracleDisk } from '@godwit/guest';
import { allocatedBytes, difference } from './disk.ts';
import type { Arena, Moved, Session } from './contenders/session.ts';
import type { Figures, Operation, Sample } from './samples.ts';

/** "Succeeded" proves nothing: the guest must be heard this much longer. */
const ALIVE = { beats: 300, writes: 20 };
const ALIVE_MS = 20_000;
/** A silence after the move still belongs to it. */
const AFTER_MS = 500;
/** The guest has been paused for longer than this when it runs on the target. */
const PAUSED_MS = 3;

type Outcome = Pick<Sample, 'figures' | 'void'>;

/** One move, and the proof that it counts. A guest that did not survive it is given up, never measured. */
export async function measureMove(
  arena: Arena,
  session: Session,
  operation: Operation,
  round: number,
): Promise<Outcome> {
  try {
    await session.wake();
    const writes = arena.spec.load.writesPerSecond > 0 ? 5 : 0;
    await session.watch.hears({ beats: 100, writes }, ALIVE_MS);
    const moved = await session.move(operation);
    const outcome = await judge(arena, session, moved, round);
    if (outcome.void !== undefined) await session.abandon();
    await session.tidy();
    return outcome;
  } catch (error) {
    const why = describeError(error);
    await session.abandon().catch((failure: unknown) => arena.say(`cannot clean up: ${describeError(failure)}`));
    await session.tidy().catch(() => undefined);
    return { void: why };
  }
}

async function judge(arena: Arena, session: Session, moved: Moved, round: number): Promise<Outcome> {
  const { watch } = session;
  const { load } = arena.spec;
  const figures: Figures = {
    totalMs: moved.doneMs - moved.startedMs,
    ...(moved.runsMs === undefined ? {} : { runsMs: moved.runsMs - moved.startedMs }),
    ...(moved.firstByteMs === undefined ? {} : { firstByteMs: moved.firstByteMs - moved.startedMs }),
  };
  const lost = (why: string): Outcome => ({ figures, void: why });
  try {
    await watch.hears({ beats: ALIVE.beats, writes: load.writesPerSecond > 0 ? ALIVE.writes : 0 }, ALIVE_MS);
  } catch {
    return lost('the guest was lost: it is not heard after the move');
  }
  const toMs = moved.doneMs + AFTER_MS;
  const gapMs = watch.gapMs(moved.startedMs, toMs);
  const { runsMs } = moved;
  const switchGapMs = runsMs === undefined ? undefined : watch.gapMs(runsMs - PAUSED_MS, runsMs + AFTER_MS);
  const writeGapMs = load.writesPerSecond > 0 ? watch.writeGapMs(moved.startedMs, toMs) : undefined;
  const { bootIds, regressions, memoryErrors, ioErrors, acknowledged } = watch.summary();
  if (bootIds.length > 1) return lost('the guest was lost: it started anew');
  if (memoryErrors > 0) return lost(`the guest's memory was damaged: ${memoryErrors} pages`);
  if (ioErrors > 0) return lost(`the guest met ${ioErrors} errors of its disk`);
  if (regressions > 0) return lost('a heartbeat came twice: two copies ran');
  await session.rest();
  const heard = {
    ...figures,
    ...(gapMs === undefined ? {} : { gapMs }),
    ...(switchGapMs === undefined ? {} : { switchGapMs }),
    ...(writeGapMs === undefined ? {} : { writeGapMs }),
  };
  const { source, disk } = moved;
  const proven =
    source === undefined
      ? heard
      : { ...heard, allocation: (await allocatedBytes(disk)) / (await allocatedBytes(source)) };
  const verdict = await verifyOracleDisk(disk, arena.runId, acknowledged);
  if (verdict.lost > 0 || verdict.corrupt > 0)
    return { figures: proven, void: `acknowledged writes are missing: ${verdict.faults.join(', ')}` };
  const differs = await difference(arena.original, disk, round + 1);
  return differs === undefined ? { figures: proven } : { figures: proven, void: `the copy is wrong: ${differs}` };
}
