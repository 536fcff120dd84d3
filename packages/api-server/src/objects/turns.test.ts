import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('lets one follow the other, also after one that fails, and does not hold up other keys', async () => {
  const turns = new Turns();
  const said: string[] = [];
  const work =
    (name: string, fails = false) =>
    async (): Promise<void> => {
      said.push(`${name} begins`);
      await setImmediate();
      said.push(`${name} ends`);
      if (fails) throw new Error(name);
    };
  const all = [
    turns.take('k', work('a', true)),
    turns.take('k', work('b')),
    turns.take('other', work('c')),
    turns.take(undefined, work('d')),
  ];
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual([
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ]);
  expect(said.indexOf('b begins')).toBeGreaterThan(said.indexOf('a ends'));
  expect(said.indexOf('c begins')).toBeLessThan(said.indexOf('a ends'));
  expect(said.indexOf('d begins')).toBeLessThan(said.indexOf('a ends'));
});
