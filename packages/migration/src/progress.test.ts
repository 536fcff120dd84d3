import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accumulateProgress, noProgress, progressSince, type ProgressReading } from './progress.ts';

const stages = [
  'Preparing',
  'CopyingDisks',
  'CopyingMemory',
  'SwitchingOver',
  'HandingOver',
  'Done',
  'Failed',
] as const;
const bytes = fc.record({ bytesTotal: fc.nat(1e6), bytesDone: fc.nat(1e6) });
const reading = fc.record(
  {
    stage: fc.constantFrom(...stages),
    atMs: fc.nat(100_000),
    volumes: fc.array(
      fc.tuple(fc.constantFrom('a', 'b'), bytes).map(([name, part]) => ({ name, ...part })),
      { maxLength: 2 },
    ),
    bytesTransferred: fc.nat(1e6),
    downtimeMs: fc.nat(1e6),
    memory: bytes.map((part) => ({ ...part, dirtyBytesPerSecond: 7, iteration: part.bytesDone % 9 })),
  },
  { requiredKeys: ['stage', 'atMs'] },
);

it('never runs backwards, whatever is read, and wherever it is taken up again', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(reading, fc.boolean()), { minLength: 2 }), (readings) => {
      let state = noProgress;
      for (const [next, anew] of readings) {
        const before = state.published;
        state = accumulateProgress(anew ? progressSince(before) : state, next);
        const after = state.published;
        if (after === undefined) throw new Error('nothing published');
        expect(after.bytesDone).toBeLessThanOrEqual(after.bytesTotal);
        if (before === undefined) continue;
        expect(after.bytesDone).toBeGreaterThanOrEqual(before.bytesDone);
        expect(after.bytesTotal).toBeGreaterThanOrEqual(before.bytesTotal);
        expect(after.bytesTransferred ?? 0).toBeGreaterThanOrEqual(before.bytesTransferred ?? 0);
        expect(after.updatedAt >= before.updatedAt).toBe(true);
        if (before.downtimeMs !== undefined) expect(after.downtimeMs).toBe(before.downtimeMs);
        const at = (stage: string) => stages.findIndex((other) => other === stage);
        expect(at(after.stage)).toBeGreaterThanOrEqual(at(before.stage));
      }
    }),
  );
});

it('keeps a finished volume when only memory is still read, and computes rate and remaining time', () => {
  const first: ProgressReading = {
    stage: 'CopyingDisks',
    atMs: 1000,
    volumes: [{ name: 'a', bytesTotal: 1000, bytesDone: 0 }],
  };
  const second: ProgressReading = {
    stage: 'CopyingDisks',
    atMs: 2000,
    volumes: [{ name: 'a', bytesTotal: 1000, bytesDone: 500 }],
  };
  const state = accumulateProgress(accumulateProgress(noProgress, first), second);
  expect(state.published).toMatchObject({ bytesPerSecond: 500, etaSeconds: 1 });
  const third = accumulateProgress(state, {
    stage: 'CopyingMemory',
    atMs: 3000,
    memory: { bytesTotal: 100, bytesDone: 10, dirtyBytesPerSecond: 5, iteration: 1 },
  });
  expect(third.published).toMatchObject({ bytesDone: 510, bytesTotal: 1100, volumes: [{ name: 'a', bytesDone: 500 }] });
});

it('gives the rate of what really travels, and the remaining time of what is to be done', () => {
  const volume = (bytesDone: number) => [{ name: 'sparse', bytesTotal: 1000, bytesDone }];
  const first = accumulateProgress(noProgress, {
    stage: 'CopyingDisks',
    atMs: 1000,
    volumes: volume(0),
    bytesTransferred: 0,
  });
  const second = accumulateProgress(first, {
    stage: 'CopyingDisks',
    atMs: 2000,
    volumes: volume(500),
    bytesTransferred: 30,
  });
  expect(second.published).toMatchObject({ bytesDone: 500, bytesTransferred: 30, bytesPerSecond: 30, etaSeconds: 1 });
});

it('is complete when it is done: the rest was sent after the last look', () => {
  const copying = accumulateProgress(noProgress, {
    stage: 'CopyingMemory',
    atMs: 1000,
    memory: { bytesTotal: 100, bytesDone: 93, dirtyBytesPerSecond: 5, iteration: 3 },
  });
  const done = accumulateProgress(copying, { stage: 'Done', atMs: 2000, bytesTransferred: 120 }).published;
  expect(done).toMatchObject({ bytesDone: 100, bytesTotal: 100, bytesTransferred: 120 });
  expect(done).not.toHaveProperty('etaSeconds');
});

describe('a volume', () => {
  const read = (atMs: number, bytesTotal: number, bytesDone: number): ProgressReading => ({
    stage: 'CopyingDisks',
    atMs,
    volumes: [{ name: 'a', bytesTotal, bytesDone }],
  });
  const after = (...readings: ProgressReading[]) => readings.reduce(accumulateProgress, noProgress).published;

  it('tells what is copied and written each second, and the time that is left of both', () => {
    const told = after(read(0, 0, 0), read(1000, 1000, 0), read(2000, 1100, 300));
    expect(told?.volumes).toEqual([
      { name: 'a', bytesTotal: 1100, bytesDone: 300, bytesPerSecond: 300, dirtyBytesPerSecond: 100, etaSeconds: 4 },
    ]);
  });
  it('that is written as fast as it is copied has no end in sight', () => {
    const told = after(read(0, 1000, 0), read(1000, 1300, 300));
    expect(told?.volumes?.[0]).not.toHaveProperty('etaSeconds');
    expect(told).not.toHaveProperty('etaSeconds');
  });
  it('that is copied anew is to be done once more, and does not go back', () => {
    const told = after(
      read(0, 1000, 0),
      read(1000, 1500, 900),
      read(2000, 0, 0),
      read(3000, 1000, 0),
      read(4000, 1000, 500),
    );
    expect(told?.volumes).toEqual([
      { name: 'a', bytesTotal: 1900, bytesDone: 1400, bytesPerSecond: 500, dirtyBytesPerSecond: 0, etaSeconds: 1 },
    ]);
  });
});

it('tells what a guest may write to a volume until the move has ended', () => {
  const volumes = [{ name: 'a', bytesTotal: 1000, bytesDone: 10, writeLimitBytesPerSecond: 7 }];
  const first = accumulateProgress(noProgress, { stage: 'CopyingDisks', atMs: 1000, volumes });
  const memory = { bytesTotal: 1, bytesDone: 0, dirtyBytesPerSecond: 0, iteration: 1 };
  const second = accumulateProgress(first, { stage: 'CopyingMemory', atMs: 2000, memory });
  const last = accumulateProgress(second, { stage: 'Failed', atMs: 3000 });
  for (const { published } of [first, second])
    expect(published?.volumes).toMatchObject([{ name: 'a', writeLimitBytesPerSecond: 7 }]);
  expect(last.published?.volumes).toEqual([{ name: 'a', bytesTotal: 1000, bytesDone: 10 }]);
});
