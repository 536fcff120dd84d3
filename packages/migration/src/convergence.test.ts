import { describe, expect, it } from 'vitest';
import { convergencePolicy, observeConvergence, startConvergence } from './convergence.ts';

const policy = convergencePolicy({});

describe('downtime limit', () => {
  /** The limit after passes that each had so many bytes to send, one every `everyMs`. */
  const limitAfter = (everyMs: number, passes: readonly number[]) =>
    passes.reduce(
      (seen, bytesRemaining, index) =>
        observeConvergence(policy, seen, { atMs: (index + 1) * everyMs, iteration: index + 2, bytesRemaining }),
      startConvergence(policy, 0),
    ).limitMs;

  const START = 20;
  it('starts low', () => expect(startConvergence(policy, 0).limitMs).toBe(START));
  it('stays low while passes shrink, however long they take', () =>
    expect(limitAfter(20_000, [800, 500, 300, 100, 30])).toBe(START));
  it('doubles for each second without a gain', () => {
    expect(limitAfter(500, [800, 800])).toBe(START);
    expect(limitAfter(500, [800, 800, 790])).toBe(2 * START);
    expect(limitAfter(500, [800, 800, 790, 700, 800])).toBe(4 * START);
    expect(limitAfter(3000, [800, 800])).toBe(8 * START);
  });
  it('never exceeds the cap, not even at the start', () => {
    expect(limitAfter(10_000, [800, 800, 800])).toBe(900);
    expect(startConvergence(convergencePolicy({ maxDowntimeMs: 10 }), 0).limitMs).toBe(10);
  });
  it('takes no account of looks within one pass', () => {
    const seen = startConvergence(policy, 0);
    expect(observeConvergence(policy, seen, { atMs: 60_000, iteration: 1, bytesRemaining: 5 })).toBe(seen);
  });
});

describe('a policy', () => {
  it('reads the bandwidth as a quantity', () =>
    expect(convergencePolicy({ bandwidthPerMigration: '64Mi' }).bandwidthBytesPerSecond).toBe(2 ** 26));
  it('lets a guest be paused when post-copy is allowed and nothing else is said', () => {
    expect(convergencePolicy({}).allowWorkloadDisruption).toBe(false);
    expect(convergencePolicy({ allowPostCopy: true }).allowWorkloadDisruption).toBe(true);
    expect(convergencePolicy({ allowPostCopy: true, allowWorkloadDisruption: false }).allowWorkloadDisruption).toBe(
      false,
    );
  });
});
