import { expect, test } from 'vitest';
import { mostSimultaneous, pauses } from './run-intervals.ts';

test.each([
  ['none', [], 0],
  [
    'one after the other',
    [
      { machine: 'a', fromMs: 0, toMs: 10 },
      { machine: 'b', fromMs: 12 },
    ],
    1,
  ],
  [
    'one ends at the instant the other starts',
    [
      { machine: 'a', fromMs: 0, toMs: 10 },
      { machine: 'b', fromMs: 10 },
    ],
    1,
  ],
  [
    'a short overlap',
    [
      { machine: 'a', fromMs: 0, toMs: 10.001 },
      { machine: 'b', fromMs: 10 },
    ],
    2,
  ],
  [
    'the first never stops',
    [
      { machine: 'a', fromMs: 0 },
      { machine: 'b', fromMs: 10, toMs: 11 },
    ],
    2,
  ],
])('most at one time: %s', (_what, intervals, most) => {
  expect(mostSimultaneous(intervals)).toBe(most);
});

test('a pause lasts from the stop of one to the start of the next', () => {
  const intervals = [
    { machine: 'b', fromMs: 130, toMs: 200 },
    { machine: 'a', fromMs: 0, toMs: 100 },
    { machine: 'b', fromMs: 201 },
  ];
  expect(pauses(intervals)).toEqual([
    { fromMs: 100, toMs: 130, lengthMs: 30, from: 'a', to: 'b' },
    { fromMs: 200, toMs: 201, lengthMs: 1, from: 'b', to: 'b' },
  ]);
});

test('while one runs there is no pause', () => {
  expect(
    pauses([
      { machine: 'a', fromMs: 0, toMs: 100 },
      { machine: 'b', fromMs: 50 },
    ]),
  ).toEqual([]);
});
