import type { MigrationProgress } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { expect, it } from 'vitest';
import { tellProgress } from './tell-progress.ts';

const common = { clock: systemClock };
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

it('goes on from what was told before, as soon as that is known, with the newest reading', async () => {
  const answer = Promise.withResolvers<MigrationProgress | undefined>();
  const heard: MigrationProgress[] = [];
  const add = tellProgress({
    ...common,
    tell: (one) => heard.push(one),
    told: () => answer.promise,
    stopped: () => false,
  });
  add({ stage: 'Preparing' });
  add({ stage: 'HandingOver', memory: { bytesTotal: 90, bytesDone: 40, dirtyBytesPerSecond: 0, iteration: 1 } });
  expect(heard).toEqual([]);
  answer.resolve(before);
  await answer.promise;
  expect(heard).toMatchObject([
    { stage: 'HandingOver', bytesTotal: 1000, bytesDone: 700, volumes, memory: { iteration: 3 } },
  ]);
  add({ stage: 'Done' });
  expect(heard.at(-1)).toMatchObject({ stage: 'Done', bytesTotal: 1000, bytesDone: 1000 });
});

it.each(['Done', 'Failed'] as const)('leaves alone what was told of one that is %s', async (stage) => {
  const heard: MigrationProgress[] = [];
  const last = { ...before, stage, downtimeMs: 21, totalMs: 600_000 };
  const add = tellProgress({
    ...common,
    tell: (one) => heard.push(one),
    told: async () => last,
    stopped: () => false,
  });
  add({ stage, downtimeMs: 0, totalMs: 3 });
  await Promise.resolve();
  add({ stage, downtimeMs: 0, totalMs: 3 });
  expect(heard).toEqual([]);
});

it('tells nothing once it is stopped', async () => {
  const answer = Promise.withResolvers<MigrationProgress | undefined>();
  let isStopped = false;
  const heard: MigrationProgress[] = [];
  const add = tellProgress({
    ...common,
    tell: (one) => heard.push(one),
    told: () => answer.promise,
    stopped: () => isStopped,
  });
  add({ stage: 'HandingOver' });
  isStopped = true;
  answer.resolve(before);
  await answer.promise;
  expect(heard).toEqual([]);
});
