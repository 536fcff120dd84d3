import { describe, expect, it } from 'vitest';
import { endOfTrend, observeDiskTrend, startDiskTrend } from './disk-trend.ts';

const MIB = 2 ** 20;

/** Looks once a second at a disk that is copied at 100 MiB/s and of which the guest keeps a part dirty. */
function divergesAfter(seconds: number, dirtied: number, hotBytes: number): boolean {
  const start = 4096 * MIB;
  let rest = start;
  let trend = startDiskTrend({ atMs: 0, bytesDone: 0, bytesRemaining: rest });
  for (let at = 1; at <= seconds; at += 1) {
    rest = Math.max(0, rest - 100 * MIB);
    if (rest === 0 && dirtied < 100 * MIB) return trend.diverges; // in sync
    rest += Math.min(dirtied, Math.max(0, hotBytes - rest));
    trend = observeDiskTrend(trend, { atMs: at * 1000, bytesDone: at * 100 * MIB, bytesRemaining: rest }, 10_000);
  }
  return trend.diverges;
}

it.each([
  ['an idle guest', 100, 0, 0, false],
  ['a guest that writes half as much as is copied', 100, 50 * MIB, 4096 * MIB, false],
  ['a guest that writes as much as is copied, before one sweep is over', 40, 100 * MIB, 4096 * MIB, false],
  ['a guest that writes as much as is copied', 42, 100 * MIB, 4096 * MIB, true],
  ['a guest that writes a small part over and over, during the first sweep', 41, 200 * MIB, 64 * MIB, false],
  ['a guest that writes a small part over and over', 60, 200 * MIB, 64 * MIB, true],
])('%s, after %i s', (_, seconds, dirtied, hotBytes, diverges) =>
  expect(divergesAfter(seconds, dirtied, hotBytes)).toBe(diverges),
);

describe('the end of a sweep', () => {
  const trend = startDiskTrend({ atMs: 0, bytesDone: 0, bytesRemaining: 1000 });
  const end = (atMs: number, bytesRemaining: number) =>
    endOfTrend(trend, { atMs, bytesDone: 0, bytesRemaining }, 10_000);
  it('is not known before it has settled', () => expect(end(9_999, 10)).toBeUndefined());
  it('comes as fast as the rest gets less', () => expect(end(10_000, 800)).toBe(50_000));
  it('never comes when it does not', () => expect(end(10_000, 1000)).toBe(Number.POSITIVE_INFINITY));
});
