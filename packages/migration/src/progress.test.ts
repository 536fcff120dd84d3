import fc from 'fast-check';
import { expect, it } from 'vitest';
import { accumulateProgress, noProgress, type ProgressReading } from './progress.ts';

const stages = ['Preparing', 'CopyingDisks', 'CopyingMemory', 'SwitchingOver', 'HandingOver', 'Done'] as const;
const bytes = fc.record({ bytesTotal: fc.nat(1e6), bytesDone: fc.nat(1e6) });
const reading = fc.record(
  {
    stage: fc.constantFrom(...stages),
    atMs: fc.nat(100_000),
    volumes: fc.array(
      fc.tuple(fc.constantFrom('a', 'b'), bytes).map(([name, part]) => ({ name, ...part })),
      { maxLength: 2 },
    ),
    memory: bytes.map((part) => ({ ...part, dirtyBytesPerSecond: 7, iteration: part.bytesDone % 9 })),
  },
  { requiredKeys: ['stage', 'atMs'] },
);

it('never runs backwards, whatever is read', () => {
  fc.assert(
    fc.property(fc.array(reading, { minLength: 2 }), (readings) => {
      let state = noProgress;
      for (const next of readings) {
        const before = state.published;
        state = accumulateProgress(state, next);
        const after = state.published;
        if (after === undefined) throw new Error('nothing published');
        expect(after.bytesDone).toBeLessThanOrEqual(after.bytesTotal);
        if (before === undefined) continue;
        expect(after.bytesDone).toBeGreaterThanOrEqual(before.bytesDone);
        expect(after.bytesTotal).toBeGreaterThanOrEqual(before.bytesTotal);
        expect(after.updatedAt >= before.updatedAt).toBe(true);
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
