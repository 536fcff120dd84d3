import fc from 'fast-check';
import { expect, it } from 'vitest';
import { shareBandwidth, type BandwidthShare, type BandwidthUse } from './bandwidth.ts';

const LIMIT = 100 * 2 ** 20;
const percent = (share: BandwidthShare) =>
  Object.fromEntries(Object.entries(share).map(([key, bytes]) => [key, Math.round((100 * bytes) / LIMIT)]));

it.each<[string, BandwidthUse, Record<string, number>]>([
  ['one disk has all', { phase: 'disks', copying: 1, inSync: 0 }, { copying: 100, inSync: 0, memory: 0 }],
  ['disks share', { phase: 'disks', copying: 4, inSync: 0 }, { copying: 25, inSync: 0, memory: 0 }],
  ['disks in sync need little', { phase: 'disks', copying: 1, inSync: 2 }, { copying: 90, inSync: 5, memory: 0 }],
  [
    'disks in sync have all at the end',
    { phase: 'disks', copying: 0, inSync: 2 },
    { copying: 0, inSync: 50, memory: 0 },
  ],
  ['memory has all without disks', { phase: 'memory', copying: 0, inSync: 0 }, { copying: 0, inSync: 0, memory: 100 }],
  [
    'memory has what disks do not need',
    { phase: 'memory', copying: 0, inSync: 2 },
    { copying: 0, inSync: 5, memory: 90 },
  ],
  [
    'a guest that writes needs more',
    { phase: 'memory', copying: 0, inSync: 1, dirtyBytesPerSecond: LIMIT / 5 },
    { copying: 0, inSync: 40, memory: 60 },
  ],
  [
    'but never more than half',
    { phase: 'memory', copying: 0, inSync: 1, dirtyBytesPerSecond: LIMIT },
    { copying: 0, inSync: 50, memory: 50 },
  ],
])('%s', (_, use, expected) => expect(percent(shareBandwidth(LIMIT, use))).toEqual(expected));

it('never gives away more than there is', () => {
  const use = fc.record({
    phase: fc.constantFrom('disks' as const, 'memory' as const),
    copying: fc.nat(8),
    inSync: fc.nat(8),
    dirtyBytesPerSecond: fc.nat(2 ** 31),
  });
  fc.assert(
    fc.property(use, fc.integer({ min: 2 ** 24, max: 2 ** 32 }), (seen, limit) => {
      const share = shareBandwidth(limit, seen);
      expect(share.copying * seen.copying + share.inSync * seen.inSync + share.memory).toBeLessThanOrEqual(limit);
    }),
  );
});
