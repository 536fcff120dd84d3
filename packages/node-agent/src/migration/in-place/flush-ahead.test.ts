import type { Clock } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { flushAhead } from './flush-ahead.ts';

/** How often is flushed, when flushes take as long as told, and then no time at all. */
async function flushes(...takesMs: readonly (number | 'for ever' | Error)[]): Promise<number> {
  let nowMs = 0;
  let count = 0;
  const alarms: (() => void)[] = [];
  const clock: Clock = { now: () => nowMs, after: (_, ring) => (alarms.push(ring), () => undefined) };
  await flushAhead(async () => {
    const takes = takesMs[count++] ?? 0;
    if (takes instanceof Error) throw takes;
    if (takes !== 'for ever') return void (nowMs += takes);
    queueMicrotask(() => alarms.forEach((ring) => ring()));
    return new Promise(() => undefined);
  }, clock);
  return count;
}

describe('flushing ahead', () => {
  it('is done once when that is quick', async () => {
    expect(await flushes(7)).toBe(1);
  });

  it('is done again while it takes long, but not for ever', async () => {
    expect(await flushes(300, 40, 5)).toBe(3);
    expect(await flushes(300, 300, 300, 300, 300, 300)).toBe(4);
  });

  it('hinders nothing when it fails, or never ends', async () => {
    expect(await flushes(new Error('EIO'))).toBe(1);
    expect(await flushes('for ever')).toBe(1);
  });
});
