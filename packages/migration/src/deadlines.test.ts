import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convergencePolicy } from './convergence.ts';
import {
  budgetMs,
  explainJudgement,
  judge,
  observePhase,
  watchAgain,
  watchPhase,
  type PhaseReading,
} from './deadlines.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const policy = convergencePolicy({ progressTimeout: 150, completionTimeoutPerGiB: 150 });

/** A copy of disks at so many bytes a second, to which the guest writes at another rate. */
function diskAfter(seconds: number, sizeBytes: number, copied: number, dirtied: number) {
  let watch = watchPhase('disks', 0);
  let rest = sizeBytes;
  for (let at = 0; at <= seconds; at += 1) {
    watch = observePhase(watch, { atMs: at * 1000, bytesRemaining: rest });
    rest = Math.max(0, Math.min(sizeBytes, rest - copied + dirtied));
  }
  return watch;
}

describe('a disk', () => {
  it('that is copied gets on, however slowly', () => {
    expect(judge(policy, diskAfter(140, GIB, 4 * MIB, 0), 140_000)).toBe('on');
    expect(judge(policy, diskAfter(1400, 10 * GIB, 4 * MIB, 2 * MIB), 1_400_000)).toBe('on');
  });
  it.each([1, 2])('that is written %i times as fast as it is copied is stuck', (factor) => {
    const watch = diskAfter(151, 2 * GIB, 100 * MIB, factor * 100 * MIB);
    expect(judge(policy, watch, 151_000)).toBe('stuck');
  });
  it('is late by its size, whatever else was copied', () => {
    const watch = diskAfter(301, 2 * GIB, 100 * MIB, 99 * MIB);
    expect(judge(policy, watch, 300_000)).toBe('on');
    expect(judge(policy, watch, 301_000)).toBe('late');
    expect(judge(policy, watch, 301_000, true)).toBe('on');
  });
  it('has the time for all disks together, not for what is copied again', () => {
    expect(budgetMs(policy, diskAfter(1000, 5 * GIB, 100 * MIB, 100 * MIB))).toBe(5 * 150_000);
    expect(budgetMs(policy, diskAfter(1, 10 * MIB, 0, 0))).toBe(150_000);
  });
});

describe('memory', () => {
  const pass = (pass: number, atMs: number, bytesRemaining: number): PhaseReading => ({ pass, atMs, bytesRemaining });
  const after = (...readings: PhaseReading[]) => readings.reduce(observePhase, watchPhase('memory', 0, 16 * GIB));

  it('gets on while the first pass lasts', () =>
    expect(judge(policy, after(pass(1, 0, 16 * GIB), pass(1, 300_000, 4 * GIB)), 310_000)).toBe('on'));
  it('gets on while passes shrink', () => {
    const watch = after(
      pass(1, 0, 16 * GIB),
      pass(1, 160_000, 0),
      pass(2, 161_000, 8 * GIB),
      pass(3, 300_000, 4 * GIB),
    );
    expect(judge(policy, watch, 440_000)).toBe('on');
  });
  it('gets on while a smaller pass lasts', () => {
    const watch = after(pass(1, 0, 16 * GIB), pass(2, 160_000, 8 * GIB), pass(2, 300_000, GIB));
    expect(judge(policy, watch, 440_000)).toBe('on');
  });
  it('is stuck when passes stay as big, though the rest falls within each', () => {
    const watch = after(
      pass(1, 0, 16 * GIB),
      pass(1, 100_000, 0),
      pass(2, 101_000, 4 * GIB),
      pass(3, 150_000, 4 * GIB),
      pass(3, 200_000, 10),
      pass(4, 240_000, 5 * GIB),
    );
    expect(judge(policy, watch, 252_000)).toBe('stuck');
  });
});

it('a timeout of zero is none', () => {
  const none = convergencePolicy({ progressTimeout: 0, completionTimeoutPerGiB: 0 });
  expect(judge(none, watchPhase('disks', 0, 1), 1e12)).toBe('on');
});

it('what goes on by other means may progress anew, in the time that is left', () => {
  const watch = watchAgain(diskAfter(151, 2 * GIB, MIB, MIB), 151_000);
  expect(judge(policy, watch, 300_000)).toBe('on');
  expect(judge(policy, observePhase(watch, { atMs: 152_000, bytesRemaining: 2 * GIB }), 301_000)).toBe('late');
});

it('is explained with numbers', () => {
  const watch = diskAfter(0, 3 * GIB, 0, 0);
  expect(explainJudgement(policy, watch, 151_000, 'stuck')).toBe('No progress for 151 s, progressTimeout is 150 s');
  expect(explainJudgement(policy, watch, 451_000, 'late')).toBe(
    'Not complete after 451 s, completionTimeoutPerGiB allows 450 s for 3 GiB of disks',
  );
});

const readings = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 1, max: 60_000 }),
    bytesRemaining: fc.integer({ min: 1, max: 4 * GIB }),
    passes: fc.nat(1),
  }),
  { minLength: 1, maxLength: 200 },
);

it('never hangs: whatever is read, a limit on the whole is kept to the next look', () => {
  fc.assert(
    fc.property(readings, (sequence) => {
      let watch = watchPhase('disks', 0);
      let [atMs, pass] = [0, 1];
      for (const reading of sequence) {
        atMs += reading.afterMs;
        pass += reading.passes;
        watch = observePhase(watch, { atMs, pass, bytesRemaining: reading.bytesRemaining });
        // The most there can be: 4 GiB.
        if (atMs > 4 * 150_000) expect(judge(policy, watch, atMs)).toBe('late');
      }
    }),
  );
});

it('never hangs: without a limit on the whole, a rest that stays is stuck after the progress timeout', () => {
  const endless = convergencePolicy({ completionTimeoutPerGiB: 0, progressTimeout: 150 });
  fc.assert(
    fc.property(readings, (sequence) => {
      let watch = watchPhase('memory', 0);
      let [atMs, pass] = [0, 1];
      for (const reading of sequence) {
        atMs += reading.afterMs;
        pass += reading.passes;
        watch = observePhase(watch, { atMs, pass, bytesRemaining: reading.bytesRemaining });
      }
      const least = sequence.reduce((all, { bytesRemaining }) => Math.min(all, bytesRemaining), Infinity);
      // The first may be a gain, when a smaller pass goes on.
      watch = observePhase(watch, { atMs: atMs + 1, pass, bytesRemaining: least });
      for (let look = 2; look < 200; look += 1)
        watch = observePhase(watch, { atMs: atMs + look * 1000, pass: pass + look, bytesRemaining: least });
      expect(judge(endless, watch, atMs + 199_000)).toBe('stuck');
    }),
  );
});
