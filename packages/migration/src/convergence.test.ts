import { describe, expect, it } from 'vitest';
import { convergencePolicy, copyDeadline, downtimeLimitMs } from './convergence.ts';

const policy = convergencePolicy({});

describe('downtime limit', () => {
  it.each([
    [0, 30],
    [999, 30],
    [1000, 60],
    [3500, 240],
    [5000, 900],
    [1e9, 900],
  ])('after %i ms is %i ms', (elapsed, limit) => expect(downtimeLimitMs(policy, elapsed)).toBe(limit));
  it('never exceeds a cap below the start', () => {
    expect(downtimeLimitMs(convergencePolicy({ maxDowntimeMs: 10 }), 0)).toBe(10);
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
