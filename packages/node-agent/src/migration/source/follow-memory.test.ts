import { waitFor } from '@godwit/core/wait';
import type { MemoryProgress } from '@godwit/hypervisor';
import type { ProgressReading } from '@godwit/migration';
import { fakeClock } from '@godwit/reconcile/testing';
import { expect, it } from 'vitest';
import { createMemoryFollower } from './follow-memory.ts';

const progress = (bytesRemaining: number, bytesTotal = 100): MemoryProgress => ({
  status: 'postcopy-active',
  bytesTotal,
  bytesRemaining,
  bytesDone: bytesTotal - bytesRemaining,
  bytesPerSecond: 1,
  dirtyBytesPerSecond: 0,
  iteration: 2,
});

it('tells how much of the memory has followed, whatever happens to a question, until it is stopped', async () => {
  const answers = [
    async () => progress(60),
    () => Promise.reject(new Error('QEMU does not answer')),
    async () => progress(20),
    async () => progress(0, 0),
  ];
  const told: NonNullable<ProgressReading['memory']>[] = [];
  let asked = 0;
  const memory = (): Promise<MemoryProgress> => (answers[asked++] ?? (async () => progress(10)))();
  const clock = fakeClock(0);
  const follower = createMemoryFollower({ machine: { memory }, report: (one) => told.push(one), clock });
  const looks = async (count: number): Promise<void> => {
    const wanted = asked + count;
    await waitFor(
      () => {
        if (asked < wanted) clock.advance(500);
        return asked >= wanted;
      },
      { timeoutMs: 10_000, intervalMs: 1, what: 'a look' },
    );
  };
  follower.start();
  follower.start();
  expect(asked).toBe(1);
  await looks(4);
  await waitFor(() => told.length === 3, { timeoutMs: 10_000, intervalMs: 1, what: 'what was seen' });
  expect(told.map(({ bytesDone }) => bytesDone)).toEqual([40, 80, 90]);
  follower.stop();
  clock.advance(60_000);
  expect(asked).toBe(5);
});

it('has nothing to tell of a machine that is gone', () => {
  const clock = fakeClock(0);
  const follower = createMemoryFollower({ machine: undefined, report: () => expect.fail(), clock });
  follower.start();
  clock.advance(60_000);
  follower.stop();
});
