import type { Clock } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { flushAhead } from './flush-ahead.ts';

/** Flushes take as long as told, one after the other, then no time at all. */
function storage(takesMs: readonly (number | 'for ever' | Error)[]) {
  let nowMs = 0;
  const alarms: (() => void)[] = [];
  const clock: Clock = { now: () => nowMs, after: (_, ring) => (alarms.push(ring), () => undefined) };
  const flushed: string[] = [];
  const flush = async (path: string): Promise<void> => {
    const takes = takesMs[flushed.push(path) - 1] ?? 0;
    if (takes instanceof Error) throw takes;
    if (takes !== 'for ever') return void (nowMs += takes);
    queueMicrotask(() => alarms.forEach((ring) => ring()));
    return new Promise(() => undefined);
  };
  return { flushed, ahead: (paths: readonly string[]) => flushAhead(paths, clock, flush) };
}

describe('flushing ahead', () => {
  it('is done once for every file when that is quick', async () => {
    const { ahead, flushed } = storage([3, 4]);
    await ahead(['a', 'b']);
    expect(flushed).toEqual(['a', 'b']);
  });

  it('is done again while it takes long, but not for ever', async () => {
    const slow = storage([300, 40, 5]);
    await slow.ahead(['a']);
    expect(slow.flushed).toHaveLength(3);
    const slower = storage([300, 300, 300, 300, 300, 300]);
    await slower.ahead(['a']);
    expect(slower.flushed).toHaveLength(4);
  });

  it('hinders nothing when a file cannot be flushed, or never is', async () => {
    for (const takes of [new Error('EIO'), 'for ever'] as const) {
      const { ahead, flushed } = storage([takes]);
      await ahead(['a']);
      expect(flushed).toEqual(['a']);
    }
  });
});
