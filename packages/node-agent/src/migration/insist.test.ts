import { silentLogger } from '@godwit/core/logger';
import { expect, it } from 'vitest';
import { insist } from './insist.ts';

it('goes on until it is done, and says meanwhile what hinders it', async () => {
  let left = 4;
  const said: (string | undefined)[] = [];
  const work = async () => {
    left -= 1;
    if (left > 0) throw new Error('no space left');
    return 'done';
  };
  const options = { hindrance: 'Cannot', stopped: () => false, hindered: said.push.bind(said), log: silentLogger };
  expect(await insist(work, options)).toBe('done');
  expect(said).toEqual(['Cannot: no space left', undefined]);
});

it('ends with the failure once the agent ends', async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw new Error('no space left');
  };
  const options = { hindrance: 'Cannot', stopped: () => tries === 2, hindered: () => undefined, log: silentLogger };
  await expect(insist(work, options)).rejects.toThrow('no space left');
  expect(tries).toBe(2);
});
