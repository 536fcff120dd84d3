import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextWriteLimit } from './write-limit.ts';

const MIB = 2 ** 20;
const rates = (dirty: number, copied: number) => ({
  dirtyBytesPerSecond: dirty * MIB,
  copiedBytesPerSecond: copied * MIB,
});

describe('the limit of what a guest may write', () => {
  it.each<[string, number | undefined, ReturnType<typeof rates> | undefined, number | undefined]>([
    ['is unknown without rates', undefined, undefined, undefined],
    ['begins at a quarter of what is copied', undefined, rates(20, 8), 2],
    ['is never more than half of what is written', undefined, rates(3, 8), 1.5],
    ['does not touch a guest that writes less than that', undefined, rates(1.9, 8), undefined],
    ['is halved each time', 2, rates(2, 8), 1],
    ['is not lowered for a guest that does not use it up', 2, rates(0.9, 8), undefined],
    ['never falls below 64 KiB/s', 0.1, rates(0.1, 1), 1 / 16],
    ['ends there', 1 / 16, rates(1, 1), undefined],
  ])('%s', (_, present, seen, limit) =>
    expect(nextWriteLimit(present === undefined ? undefined : present * MIB, seen)).toBe(
      limit === undefined ? undefined : limit * MIB,
    ),
  );

  it('comes to an end, whatever the guest does', () => {
    const rate = fc.double({ min: 0, max: 1e10, noNaN: true });
    const seen = fc.record({ dirtyBytesPerSecond: rate, copiedBytesPerSecond: rate });
    fc.assert(
      fc.property(fc.array(seen, { minLength: 60, maxLength: 60 }), (looks) => {
        const limits: number[] = [];
        for (const look of looks) {
          const next = nextWriteLimit(limits.at(-1), look);
          if (next === undefined) continue;
          expect(next).toBeGreaterThanOrEqual(65_536);
          expect(next).toBeLessThan(limits.at(-1) ?? Number.POSITIVE_INFINITY);
          limits.push(next);
        }
        expect(limits.length).toBeLessThan(30);
      }),
    );
  });
});
