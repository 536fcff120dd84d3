import { describe, expect, it } from 'vitest';
import { estimateOf, median, ratioOf, seededRandom, spreadOf } from './statistics.ts';

describe('median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[7], 7],
  ])('of %j is %d', (numbers, expected) => expect(median(numbers)).toBe(expected));
});

describe('spread', () => {
  it('keeps outliers, which the median and the deviation do not follow', () => {
    expect(spreadOf([10, 11, 9, 10, 437])).toEqual({ count: 5, median: 10, min: 9, max: 437, deviation: 1 });
  });
  it('is undefined for nothing', () => expect(spreadOf([])).toBeUndefined());
});

describe('a ratio', () => {
  it('is that of the medians, within an interval that its samples explain', () => {
    const estimate = ratioOf('median', [20, 22, 19, 21, 20], [10, 11, 10, 9, 10]);
    expect(estimate?.value).toBe(2);
    expect(estimate?.low).toBeGreaterThanOrEqual(19 / 11);
    expect(estimate?.high).toBeLessThanOrEqual(22 / 9);
    expect(estimate?.low).toBeLessThan(2);
    expect(estimate?.high).toBeGreaterThan(2);
  });
  it('has no width when there is one sample of each', () => {
    expect(ratioOf('median', [30], [10])).toEqual({ value: 3, low: 3, high: 3 });
  });
  it('compares the worst with the worst when asked to', () => {
    expect(ratioOf('max', [1, 50], [1, 100])?.value).toBe(0.5);
  });
  it('is unknown without samples of both', () => {
    expect(ratioOf('median', [], [1])).toBeUndefined();
    expect(ratioOf('median', [1], [])).toBeUndefined();
  });
  it('is the same every time', () => {
    const numbers = [5, 9, 2, 8, 3];
    expect(ratioOf('median', numbers, numbers)).toEqual(ratioOf('median', numbers, numbers));
  });
});

it('an estimate of the worst never exceeds the worst sample', () => {
  expect(estimateOf('max', [40, 55, 61])).toMatchObject({ value: 61, high: 61 });
});

it('random numbers differ by seed, repeat for the same one, and stay below one', () => {
  const take = (seed: number) => Array.from({ length: 1000 }, seededRandom(seed));
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
  expect(take(3).every((number) => number >= 0 && number < 1)).toBe(true);
  const mean = take(4).reduce((sum, number) => sum + number, 0) / 1000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
});
