import { expect, it } from 'vitest';
import { sessionOf } from './priority.ts';

it('finds the session behind a name with spaces and brackets', () => {
  expect(sessionOf('4474 (node) x (y) S 1 4474 4470 0 -1 4194560 3')).toBe(4470);
});
