import type { MigrationProgress } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { expect, it } from 'vitest';
import { tellProgress, type ProgressKeeper } from './tell-progress.ts';

const volumes = [{ name: 'root', bytesTotal: 800, bytesDone: 600 }];
const before: MigrationProgress = {
  updatedAt: '2020-01-01T00:00:00.000Z',
  stage: 'CopyingMemory',
  bytesTotal: 1000,
  bytesDone: 700,
  volumes,
  memory: { bytesTotal: 200, bytesDone: 100, dirtyBytesPerSecond: 5, iteration: 3 },
};

/** A telling, with all that is heard of it. */
function follow(told?: ProgressKeeper['told'], stopped = () => false) {
  const heard: MigrationProgress[] = [];
  const add = tellProgress({ tell: (one) => heard.push(one), told, stopped, clock: systemClock });
  return { heard, add };
}

it('tells the first reading at once when nothing was told before', () => {
  const { heard, add } = follow();
  add({ stage: 'CopyingDisks', volumes });
  expect(heard).toMatchObject([{ stage: 'CopyingDisks', bytesDone: 600 }]);
});

it('goes on from what was told before, as soon as that is known, with the newest reading', async () => {
  const answer = Promise.withResolvers<MigrationProgress | undefined>();
  const { heard, add } = follow(() => answer.promise);
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
  const answer = Promise.resolve({ ...before, stage, downtimeMs: 21, totalMs: 600_000 });
  const { heard, add } = follow(() => answer);
  add({ stage, downtimeMs: 0, totalMs: 3 });
  await answer;
  add({ stage, downtimeMs: 0, totalMs: 3 });
  expect(heard).toEqual([]);
});

it('tells nothing once it is stopped', async () => {
  const answer = Promise.withResolvers<MigrationProgress | undefined>();
  let isStopped = false;
  const { heard, add } = follow(
    () => answer.promise,
    () => isStopped,
  );
  add({ stage: 'HandingOver' });
  isStopped = true;
  answer.resolve(before);
  await answer.promise;
  expect(heard).toEqual([]);
});
