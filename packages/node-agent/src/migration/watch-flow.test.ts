import { fakeClock } from '@godwit/reconcile/testing';
import { expect, it } from 'vitest';
import { createFlowWatch } from './watch-flow.ts';

function scene(carried: (nowMs: number) => number | undefined) {
  const clock = fakeClock(0);
  let broken = 0;
  const flow = createFlowWatch(clock, { carried: () => carried(clock.now()), broken: () => (broken += 1) });
  return { clock, flow, broken: () => broken };
}

it('a stream on which nothing comes is broken, again and again', () => {
  const { clock, flow, broken } = scene(() => 7);
  flow.watch(true);
  clock.advance(29_000);
  expect(broken()).toBe(0);
  clock.advance(6000);
  expect(broken()).toBe(1);
  clock.advance(30_000);
  expect(broken()).toBe(2);
});

it.each([
  ['comes', (nowMs: number) => nowMs],
  ['is not counted', () => undefined],
])('memory that %s is left alone', (_what, carried) => {
  const { clock, flow, broken } = scene(carried);
  flow.watch(true);
  clock.advance(300_000);
  expect(broken()).toBe(0);
});

it('a clock that is set, or an agent that was kept from running, says nothing of the stream', () => {
  const clock = fakeClock(0);
  let skewMs = 0;
  let bytes = 7;
  let broken = 0;
  const skewed = { ...clock, now: () => clock.now() + skewMs };
  const flow = createFlowWatch(skewed, { carried: () => bytes, broken: () => (broken += 1) });
  flow.watch(true);
  clock.advance(10_000);
  skewMs = 60_000;
  // What came in the meantime is heard after the first look only.
  clock.advance(5000);
  bytes = 8;
  clock.advance(25_000);
  expect(broken).toBe(0);
});

it('nobody looks when nothing is to come', () => {
  const { clock, flow, broken } = scene(() => 7);
  flow.watch(false);
  clock.advance(100_000);
  flow.watch(true);
  clock.advance(20_000);
  flow.watch(false);
  clock.advance(100_000);
  expect(broken()).toBe(0);
});
