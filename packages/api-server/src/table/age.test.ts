import { describe, expect, it } from 'vitest';
import { formatAge, formatDuration } from './age.ts';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

describe('ages', () => {
  it.each([
    [0, '0s'],
    [-500, '0s'],
    [-2 * S, '<invalid>'],
    [94 * S, '94s'],
    [119.9 * S, '119s'],
    [2 * M, '2m'],
    [5 * M + 10 * S, '5m10s'],
    [10 * M + 10 * S, '10m'],
    [179 * M, '179m'],
    [3 * H, '3h'],
    [3 * H + 5 * M, '3h5m'],
    [8 * H + 5 * M, '8h'],
    [47 * H, '47h'],
    [2 * D, '2d'],
    [2 * D + 4 * H, '2d4h'],
    [8 * D + 4 * H, '8d'],
    [729 * D, '729d'],
    [765 * D, '2y35d'],
    [730 * D, '2y'],
    [9 * 365 * D, '9y'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
  it('tells absent from unreadable times', () => {
    expect(formatAge(undefined, 0)).toBe('<unknown>');
    expect(formatAge('soon', 0)).toBe('<invalid>');
    expect(formatAge('1970-01-01T00:00:00Z', 90 * S)).toBe('90s');
  });
});
