import { describe, expect, it } from 'vitest';
import { requestFor, usableBytes } from './image-size.ts';
import type { ClaimSizes } from './image-size.ts';

const MIB = 2 ** 20;

describe('what a guest disk may have on a claim', () => {
  it.each<[string, ClaimSizes, number | undefined]>([
    ['nothing known', {}, undefined],
    ['an image file: the smaller of both', { requests: { storage: '2Mi' }, capacity: { storage: '3Mi' } }, 2 * MIB],
    [
      'an image file in a volume smaller than asked for',
      { requests: { storage: '3Mi' }, capacity: { storage: '2Mi' } },
      2 * MIB,
    ],
    ['an image file in whole MiB', { requests: { storage: '1G' } }, 953 * MIB],
    ['an image file beside the filesystem', { requests: { storage: '100Mi' }, filesystemOverhead: '0.055' }, 94 * MIB],
    [
      'a device: all of it, whatever was asked for',
      { volumeMode: 'Block', requests: { storage: '1G' }, capacity: { storage: '1000001536' } },
      1000001536,
    ],
    ['a device that is still to be made', { volumeMode: 'Block', requests: { storage: '1G' } }, 1000001536],
  ])('%s', (_, claim, wanted) => expect(usableBytes(claim)).toBe(wanted));

  it('a 1G device fits a 1G device, and no 1G image file', () => {
    const block = usableBytes({ volumeMode: 'Block', requests: { storage: '1G' } }) ?? 0;
    const other = { volumeMode: 'Block', requests: { storage: '1G' }, capacity: { storage: '1000001536' } } as const;
    expect(usableBytes(other)).toBeGreaterThanOrEqual(block);
    expect(usableBytes({ requests: { storage: '1G' } })).toBeLessThan(block);
  });

  it.each([1, MIB - 1, MIB, 953 * MIB, 1000001536, 10 ** 12])(
    'a request for %d bytes is enough, and not much more',
    (bytes) => {
      for (const claim of [{}, { filesystemOverhead: '0.055' }, { volumeMode: 'Block' }] as const) {
        const request = requestFor(bytes, claim);
        const usable = usableBytes({ ...claim, requests: { storage: String(request) } }) ?? 0;
        expect(usable).toBeGreaterThanOrEqual(bytes);
        expect(usable - bytes).toBeLessThan(2 * MIB);
      }
    },
  );
});
