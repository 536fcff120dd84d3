import type { MirrorProgress } from '@godwit/hypervisor';
import { convergencePolicy } from '@godwit/migration';
import { describe, expect, it } from 'vitest';
import { watchDisks, type DiskStep } from './watch-disks.ts';

const MIB = 2 ** 20;
const SIZE = 100 * MIB;

/**
 * A disk of 100 MiB copied at 10 MiB/s, of which the guest dirties so much a second, a quarter of it at most; what is told of it
 * once a second until it is in sync, or given up.
 */
function stepsOf(options: {
  readonly dirty: number;
  readonly configuration: Parameters<typeof convergencePolicy>[0];
  readonly synchronising?: 'free' | 'another sweep';
  readonly standsStill?: boolean;
}): { readonly steps: readonly (DiskStep & { readonly second: number })[]; readonly end: string } {
  let [nowMs, present, mode]: [number, number | undefined, string] = [0, undefined, 'background'];
  const watch = watchDisks(
    convergencePolicy(options.configuration),
    { now: () => nowMs, after: () => () => undefined },
    {
      begunAs: 'background',
      writes: { present: () => present },
      synchronising: options.synchronising ?? 'another sweep',
    },
  );
  let [total, done] = [SIZE, 0];
  const steps: (DiskStep & { second: number })[] = [];
  for (let second = 1; second < 500; second += 1) {
    nowMs = second * 1000;
    const copied = Math.min(10 * MIB, total - done);
    const written = Math.min(options.dirty * MIB, present ?? Number.POSITIVE_INFINITY);
    done += copied;
    const rest = total - done;
    if (rest === 0) return { steps, end: 'in sync' };
    // Writes that go to both sides leave nothing to copy.
    if (mode === 'synchronous') done += written;
    total += mode === 'synchronous' ? written : Math.min(written, Math.max(0, SIZE / 4 - rest));
    const mirror: MirrorProgress = { disk: 'a', bytesTotal: total, bytesDone: done, ready: false, nospace: false };
    try {
      const step = watch.look([mirror], options.standsStill ?? false);
      if (step.do === 'synchronise') {
        mode = 'synchronous';
        if (options.synchronising !== 'free') [total, done] = [SIZE, 0];
      }
      if (step.do === 'limit-writes') present = step.bytesPerSecond;
      if (step.do !== 'wait') steps.push({ ...step, second });
    } catch (error) {
      return { steps, end: String(error) };
    }
  }
  return { steps, end: 'never' };
}

describe('a disk to which the guest writes faster than it is copied', () => {
  it('is synchronised while there is time for that', () => {
    const { steps, end } = stepsOf({ dirty: 20, configuration: { allowAutoConverge: true } });
    expect(steps.map((step) => step.do)).toEqual(['synchronise']);
    expect(end).toBe('in sync');
  });

  it('is written to less when there is none, and arrives', () => {
    const configuration = { allowAutoConverge: true, completionTimeoutPerGiB: 29 };
    const { steps, end } = stepsOf({ dirty: 20, configuration });
    expect(steps[0]).toMatchObject({ do: 'limit-writes' });
    expect(steps.every((step) => step.do === 'limit-writes' && step.bytesPerSecond <= 2.5 * MIB)).toBe(true);
    expect(end).toBe('in sync');
  });

  it('is given up then where policy does not allow that', () => {
    const { steps, end } = stepsOf({ dirty: 20, configuration: { completionTimeoutPerGiB: 29 } });
    expect(steps.map((step) => step.do)).toEqual(['synchronise']);
    expect(end).toMatch(/Not complete after \d+ s, .*set allowAutoConverge/);
  });

  it('is synchronised late as well when that costs nothing', () => {
    const configuration = { allowAutoConverge: true, completionTimeoutPerGiB: 29 };
    const { steps, end } = stepsOf({ dirty: 20, configuration, synchronising: 'free' });
    expect(steps.map((step) => step.do)).toEqual(['synchronise']);
    expect(end).toBe('in sync');
  });
});

it('a disk of a guest that writes less than is copied is left alone', () => {
  const { steps, end } = stepsOf({ dirty: 4, configuration: { allowAutoConverge: true } });
  expect({ steps, end }).toEqual({ steps: [], end: 'in sync' });
});

it('a copy that stands still is not helped against what the guest writes, and ends in time all the same', () => {
  const { steps, end } = stepsOf({
    dirty: 20,
    configuration: { allowAutoConverge: true, completionTimeoutPerGiB: 60 },
    standsStill: true,
  });
  expect(steps).toEqual([]);
  expect(end).toContain('Not complete after 61 s');
});
