import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineSplitter } from './line-splitter.ts';

describe('line splitter', () => {
  it('gives the same lines however the stream is cut', () => {
    const line = fc.string({ unit: fc.constantFrom('a', '{', '"', 'é', '7'), minLength: 1 });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
        const text = lines.map((item) => `${item}\r\n`).join('');
        const points = [0, ...cuts.map((cut) => Math.min(cut, text.length)).toSorted((a, b) => a - b), text.length];
        const seen: string[] = [];
        const feed = createLineSplitter((item) => seen.push(item));
        for (let i = 1; i < points.length; i++) feed(text.slice(points[i - 1], points[i]));
        expect(seen).toEqual(lines);
      }),
    );
  });
});
