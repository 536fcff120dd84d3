import { describe, expect, it } from 'vitest';
import { verificationBudgetMs } from './budget.ts';
import { comparedVolume, differenceText, skippedVolume, verificationOf, type DiskReport } from './result.ts';

const report = (change: Partial<DiskReport> = {}): DiskReport => ({
  name: 'data',
  bytes: 64,
  bytesRead: 32,
  cached: false,
  milliseconds: 10,
  digest: 'aa',
  ...change,
});
const same = comparedVolume(report(), report());
const other = comparedVolume(report(), report({ digest: 'bb' }), { offset: 16, bytes: 8, source: '01', target: '02' });

describe('what is recorded of a verification', () => {
  it.each([
    ['Identical', [same]],
    ['Different', [same, other]],
    ['Different', [other, skippedVolume('root', 'it is a qcow2 image')]],
    ['Partial', [same, skippedVolume('root', 'it is a qcow2 image')]],
    ['NothingCopied', []],
  ] as const)('is %s', (result, volumes) => {
    expect(verificationOf(volumes, 12.4, 0).result).toBe(result);
  });

  it('is of a volume what both sides say, the slower and the less certain of them counting', () => {
    expect(comparedVolume(report(), report({ milliseconds: 90, bytesRead: 8, cached: true }))).toEqual({
      name: 'data',
      result: 'Identical',
      bytes: 64,
      bytesRead: 8,
      digest: 'aa',
      milliseconds: 90,
      cached: true,
    });
    expect(other).toMatchObject({ digest: 'aa', targetDigest: 'bb', differenceAt: 16 });
  });

  it('names volume, offset and both digests of a difference', () => {
    const text = differenceText('data', { offset: 16, bytes: 8, source: '01', target: '02' });
    expect(text).toContain('volume data');
    expect(text).toContain('offset 16 is 01 on the source and 02 on the target');
  });
});

describe('the time for a verification', () => {
  it('grows with what is to be read', () => {
    expect(verificationBudgetMs(0)).toBe(30_000);
    expect(verificationBudgetMs(2 ** 30)).toBe(30_000 + 32_000);
  });
});
