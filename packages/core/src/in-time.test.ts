import { expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { ifInTime, inTime } from './in-time.ts';

/** Rings when the test says so. */
function alarm() {
  const rings: (() => void)[] = [];
  let cancelled = 0;
  const clock: Clock = { now: () => 0, after: (_, ring) => (rings.push(ring), () => void cancelled++) };
  return { clock, ring: () => rings.forEach((one) => one()), cancelled: () => cancelled };
}

it('gives what is there in time, and waits no longer', async () => {
  const { clock, cancelled } = alarm();
  expect(await inTime(Promise.resolve(1), 5, clock, () => new Error('late'))).toBe(1);
  await expect(inTime(Promise.reject(new Error('no')), 5, clock, () => new Error('late'))).rejects.toThrow('no');
  expect(cancelled()).toBe(2);
});

it('says what was late, and drops what comes afterwards', async () => {
  const { clock, ring } = alarm();
  const work = Promise.withResolvers<number>();
  const result = inTime(work.promise, 5, clock, () => new Error('late'));
  ring();
  await expect(result).rejects.toThrow('late');
  // Unhandled, this would fail the run.
  work.reject(new Error('afterwards'));
  await new Promise<void>((resolve) => setImmediate(resolve));
});

it('may do without what is late', async () => {
  const { clock, ring, cancelled } = alarm();
  expect(await ifInTime(Promise.resolve(1), 5, clock)).toBe(1);
  await expect(ifInTime(Promise.reject(new Error('no')), 5, clock)).rejects.toThrow('no');
  expect(cancelled()).toBe(2);
  const result = ifInTime(new Promise<number>(() => {}), 5, clock);
  ring();
  expect(await result).toBeUndefined();
});
