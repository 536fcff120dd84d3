import { describe, expect, it } from 'vitest';
import { dirtyRate, keepReading, mayStartMemory, type BacklogHistory } from './backlog.ts';
import { convergencePolicy } from './convergence.ts';

const MIB = 2 ** 20;
const policy = convergencePolicy({});

/** Looks every 100 ms at a disk of 1 GiB, copied at 200 MiB/s; then, in sync, at what is left. */
function copied(dirtied: number, left: readonly number[]): BacklogHistory {
  let history: BacklogHistory = [];
  let [atMs, bytesTotal, bytesDone] = [0, 1024 * MIB, 0];
  const look = (ready: boolean) => {
    history = keepReading(history, { atMs, bytesTotal, bytesDone, ready });
    atMs += 100;
    bytesTotal += dirtied / 10;
  };
  while (bytesDone < bytesTotal) {
    look(false);
    bytesDone = Math.min(bytesTotal, bytesDone + 20 * MIB);
  }
  for (const bytes of left) {
    bytesDone = bytesTotal - bytes;
    look(true);
  }
  return history;
}

describe('what is left of the disks when the guest stops', () => {
  it('is not waited for with a guest that hardly writes', () => {
    expect(mayStartMemory(policy, copied(0, [0]))).toBe('start');
    expect(mayStartMemory(policy, copied(10 * MIB, [MIB]))).toBe('start');
  });
  it('is looked at for a while with a guest that writes much', () => {
    expect(mayStartMemory(policy, copied(100 * MIB, [0]))).toBe('look');
    expect(mayStartMemory(policy, copied(100 * MIB, [0, 0, 0, 0, 0]))).toBe('look');
  });
  it('may be as much as is copied in a tenth of the downtime', () => {
    const limit = 0.09 * 200 * MIB;
    expect(mayStartMemory(policy, copied(100 * MIB, [0, 0, 0, limit - 1, 0, 0]))).toBe('start');
    expect(mayStartMemory(policy, copied(100 * MIB, [0, 0, 0, limit + 1, 0, 0]))).toBe('synchronise');
    expect(
      mayStartMemory(convergencePolicy({ maxDowntimeMs: 2000 }), copied(100 * MIB, [0, 0, 0, limit + 1, 0, 0])),
    ).toBe('start');
  });
  it('is nothing without disks', () => expect(mayStartMemory(policy, [])).toBe('start'));
  it('is judged by a slow link when nothing is known', () => {
    const at = (atMs: number) => ({ atMs, bytesTotal: 30 * MIB, bytesDone: 0, ready: true });
    expect(mayStartMemory(policy, [at(0), at(300), at(600)])).toBe('synchronise');
  });
});

it('the guest writes what the total grows by', () => {
  expect(dirtyRate(copied(40 * MIB, []))).toBe(40 * MIB);
  expect(dirtyRate([])).toBeUndefined();
});
