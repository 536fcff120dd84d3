import type { MigrationProgress } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { tellProgress } from './tell-progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const common = { clock: systemClock, log: silentLogger };
const volumes = [{ name: 'root', bytesTotal: 800, bytesDone: 600 }];
const before: MigrationProgress = {
  updatedAt: '2020-01-01T00:00:00.000Z',
  stage: 'CopyingMemory',
  bytesTotal: 1000,
  bytesDone: 700,
  volumes,
  memory: { bytesTotal: 200, bytesDone: 100, dirtyBytesPerSecond: 5, iteration: 3 },
};

it('tells the first reading at once when nothing was told before', () => {
  const heard: MigrationProgress[] = [];
  const add = tellProgress({ ...common, tell: (one) => heard.push(one), stopped: () => false });
  add({ stage: 'CopyingDisks', volumes });
  expect(heard).toMatchObject([{ stage: 'CopyingDisks', bytesDone: 600 }]);
});

it('goes on from what was told before, as soon as that can be read, with the newest reading', async () => {
  let refusals = 2;
  const told = async () => {
    if (refusals-- > 0) throw new Error('nobody answers');
    return before;
  };
  const heard: MigrationProgress[] = [];
  const add = tellProgress({ ...common, tell: (one) => heard.push(one), told, stopped: () => false });
  add({ stage: 'Preparing' });
  add({ stage: 'HandingOver', memory: { bytesTotal: 90, bytesDone: 40, dirtyBytesPerSecond: 0, iteration: 1 } });
  expect(heard).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(heard).toMatchObject([
    { stage: 'HandingOver', bytesTotal: 1000, bytesDone: 700, volumes, memory: { iteration: 3 } },
  ]);
  add({ stage: 'Done' });
  expect(heard.at(-1)).toMatchObject({ stage: 'Done', bytesTotal: 1000, bytesDone: 1000 });
});

it('asks no longer once it is stopped, and tells nothing that could run backwards', async () => {
  const told = vi.fn(() => Promise.reject(new Error('nobody answers')));
  let isStopped = false;
  const heard: MigrationProgress[] = [];
  const add = tellProgress({ ...common, tell: (one) => heard.push(one), told, stopped: () => isStopped });
  add({ stage: 'HandingOver' });
  await vi.advanceTimersByTimeAsync(1000);
  isStopped = true;
  await vi.advanceTimersByTimeAsync(60_000);
  const asked = told.mock.calls.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told.mock.calls.length).toBe(asked);
  expect(heard).toEqual([]);
});
