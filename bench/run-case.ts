import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@godwit/core/errors';
import { nbdCopy, qemuImgConvert } from './contenders/floor.ts';
import { startRawSession } from './contenders/raw.ts';
import type { Arena, Session } from './contenders/session.ts';
import { allocatedBytes, difference } from './disk.ts';
import { measureMove } from './measure.ts';
import { roundOrder } from './plan.ts';
import type { Operation, Sample } from './samples.ts';
import { tryCommand } from './run-command.ts';

/** Who can hold a guest. A contender that is not there gives a reason instead. */
export interface Houses {
  readonly godwit: (arena: Arena) => Promise<Session>;
  readonly libvirt: ((arena: Arena) => Promise<Session>) | undefined;
  readonly nbdcopy: boolean;
}

type House = 'godwit' | 'libvirt' | 'raw' | 'floor';

/** After so many void samples one after the other a contender is left alone for the rest of the case. */
const HOPELESS = 3;

export function houseOf(operation: Operation): House {
  if (operation.startsWith('godwit-')) return 'godwit';
  if (operation.startsWith('virsh-')) return 'libvirt';
  return operation === 'raw-tls' ? 'raw' : 'floor';
}

/**
 * All rounds of one case: every contender once per round, each with its own guest, which rests while others are measured.
 * The guests belong to `owned`, which the caller may dispose at any time: what is under way then fails.
 */
export async function runCase(
  arena: Arena,
  houses: Houses,
  owned: AsyncDisposableStack,
  record: (sample: Sample) => Promise<void>,
): Promise<void> {
  const { spec, say } = arena;
  const wanted = spec.operations.filter(
    (operation) =>
      (houseOf(operation) !== 'libvirt' || houses.libvirt !== undefined) && (operation !== 'nbdcopy' || houses.nbdcopy),
  );
  const sessions = new Map<House, Session>();
  const sessionOf = async (house: Exclude<House, 'floor'>): Promise<Session> => {
    const there = sessions.get(house);
    if (there !== undefined) return there;
    const start = house === 'godwit' ? houses.godwit : house === 'raw' ? startRawSession : houses.libvirt;
    if (start === undefined) throw new Error(`${house} is not there`);
    const session = owned.use(await start(arena));
    sessions.set(house, session);
    return session;
  };
  const failures = new Map<Operation, number>();
  for (let round = 0; round < spec.warmUps + spec.runs; round++) {
    const warmUp = round < spec.warmUps;
    for (const operation of roundOrder(wanted, round)) {
      if (owned.disposed) return;
      if ((failures.get(operation) ?? 0) >= HOPELESS) continue;
      const house = houseOf(operation);
      await tryCommand('sync', []);
      let outcome: Pick<Sample, 'figures' | 'void'>;
      try {
        outcome =
          house === 'floor'
            ? await measureCopy(arena, operation, round)
            : await measureMove(arena, await sessionOf(house), operation, round);
      } catch (error) {
        outcome = { void: describeError(error) };
      }
      if (owned.disposed) return;
      const sample: Sample = { case: spec.name, operation, round, warmUp, ...outcome };
      failures.set(operation, sample.void === undefined ? 0 : (failures.get(operation) ?? 0) + 1);
      say(lineOf(sample, spec.warmUps + spec.runs));
      await record(sample);
    }
  }
}

/** A copy without any guest. */
async function measureCopy(
  arena: Arena,
  operation: Operation,
  round: number,
): Promise<Pick<Sample, 'figures' | 'void'>> {
  const directory = join(arena.directory, 'floor');
  await mkdir(directory, { recursive: true });
  const target = join(directory, 'copy.img');
  try {
    const totalMs =
      operation === 'qemu-img'
        ? await qemuImgConvert(arena.original, target)
        : await nbdCopy(arena.original, target, directory);
    const allocation = (await allocatedBytes(target)) / (await allocatedBytes(arena.original));
    const differs = await difference(arena.original, target, round + 1);
    const figures = { totalMs, allocation };
    return differs === undefined ? { figures } : { figures, void: `the copy is wrong: ${differs}` };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export function lineOf(sample: Sample, rounds: number): string {
  const { figures } = sample;
  const numbers = Object.entries(figures ?? {}).map(
    ([name, value]: [string, number]) => `${name} ${name === 'allocation' ? value.toFixed(3) : Math.round(value)}`,
  );
  const mark = sample.void === undefined ? '' : `  VOID: ${sample.void}`;
  const round = `${sample.round + 1}/${rounds}${sample.warmUp ? ' (warm-up)' : ''}`;
  return `${sample.case} ${round} ${sample.operation.padEnd(16)} ${numbers.join(', ')}${mark}`;
}
