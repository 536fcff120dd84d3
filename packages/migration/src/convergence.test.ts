import { describe, expect, it } from 'vitest';
import { convergencePolicy, copyDeadline, observeConvergence, startConvergence } from './convergence.ts';

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

describe('copy deadline', () => {
  const fine = { elapsedMs: 10_000, idleMs: 0, bytesTotal: 2 ** 30 };
  it('lets a moving copy go on', () => expect(copyDeadline(policy, fine)).toBeUndefined());
  it('names the progress timeout', () =>
    expect(copyDeadline(policy, { ...fine, idleMs: 151_000 })).toMatch(/No progress for 151 s/));
  it('grows the completion timeout with the size', () => {
    expect(copyDeadline(policy, { ...fine, elapsedMs: 200_000 })).toMatch(/150 s for 1 GiB/);
    expect(copyDeadline(policy, { ...fine, elapsedMs: 200_000, bytesTotal: 2 ** 31 })).toBeUndefined();
  });
  it('takes zero as no limit', () => {
    const none = convergencePolicy({ progressTimeout: 0, completionTimeoutPerGiB: 0 });
    expect(copyDeadline(none, { elapsedMs: 1e9, idleMs: 1e9, bytesTotal: 1 })).toBeUndefined();
  });
  it('reads the bandwidth as a quantity', () =>
    expect(convergencePolicy({ bandwidthPerMigration: '64Mi' }).bandwidthBytesPerSecond).toBe(2 ** 26));
});
