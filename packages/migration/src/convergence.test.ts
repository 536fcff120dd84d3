import type { MigrationConfiguration } from '@godwit/api';
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

  const START = 5;
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
    expect(startConvergence(convergencePolicy({ maxDowntimeMs: 3 }), 0).limitMs).toBe(3);
  });
  it('takes no account of looks within one pass', () => {
    const seen = startConvergence(policy, 0);
    expect(observeConvergence(policy, seen, { atMs: 60_000, iteration: 1, bytesRemaining: 5 })).toBe(seen);
  });
});

describe('downtime tuning [VEP 291]', () => {
  /** The limits seen at passes: [number, second at which it begins]. */
  const limits = (configuration: MigrationConfiguration, passes: readonly (readonly [number, number])[]) => {
    const tuned = convergencePolicy(configuration);
    const found: number[] = [];
    passes.reduce(
      (seen, [iteration, second]) => {
        const next = observeConvergence(tuned, seen, { atMs: second * 1000, iteration, bytesRemaining: 800 });
        found.push(next.limitMs);
        return next;
      },
      startConvergence(tuned, 0),
    );
    return found;
  };

  it("begins at KubeVirt's 150 ms and rises to the maximum in seven equal steps, ten seconds after the third pass", () => {
    const configuration = { maxDowntimeMs: 1050, experimental: { downtimeTuning: {} } };
    expect(convergencePolicy(configuration).startDowntimeMs).toBe(150);
    const seconds = [70, 75, 84, 85, 90, 95, 105, 115, 125, 135, 145, 155].map((at, index) => [index + 2, at] as const);
    expect(limits(configuration, seconds)).toEqual([150, 150, 150, 279, 279, 408, 537, 666, 795, 924, 1050, 1050]);
  });
  it('takes its own numbers', () => {
    const downtimeTuning = { initialMs: 100, steps: 2, startAfterIteration: 0, cooldownSeconds: 1 };
    const configuration = { maxDowntimeMs: 300, experimental: { downtimeTuning } };
    expect(
      limits(configuration, [
        [2, 0.5],
        [3, 1],
        [4, 9],
        [5, 20],
      ]),
    ).toEqual([100, 200, 300, 300]);
  });
  it('takes one step for each pass when nothing is to pass between', () => {
    const downtimeTuning = { initialMs: 100, steps: 4, startAfterIteration: 3, cooldownSeconds: 0 };
    const passes = [2, 3, 4, 5, 6, 7].map((iteration) => [iteration, iteration] as const);
    expect(limits({ maxDowntimeMs: 500, experimental: { downtimeTuning } }, passes)).toEqual([
      100, 100, 200, 300, 400, 500,
    ]);
  });
  it('never begins above the maximum', () => {
    const { startDowntimeMs } = convergencePolicy({ maxDowntimeMs: 60, experimental: { downtimeTuning: {} } });
    expect(startDowntimeMs).toBe(60);
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
