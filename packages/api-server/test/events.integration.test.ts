import { systemClock } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { eventually, fixtures } from './support/widgets.ts';

const EVENTS = '/api/v1/namespaces/t/events';
const MINUTE_MS = 60_000;

/** The real time, until it is moved; long timers wait for that. */
function movableClock(): Clock & { move(ms: number): void } {
  let aheadMs = 0;
  let timers: { readonly atMs: number; readonly fn: () => void }[] = [];
  const now = (): number => Date.now() + aheadMs;
  return {
    now,
    after(ms, fn) {
      if (ms < MINUTE_MS) return systemClock.after(ms, fn);
      const timer = { atMs: now() + ms, fn };
      timers.push(timer);
      return () => (timers = timers.filter((one) => one !== timer));
    },
    move(ms) {
      aheadMs += ms;
      const due = timers.filter((one) => one.atMs <= now());
      timers = timers.filter((one) => one.atMs > now());
      for (const { fn } of due) fn();
    },
  };
}

const clock = movableClock();
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures, clock });
});
afterAll(() => cluster.stop());

async function report(name: string): Promise<void> {
  const lastTimestamp = new Date(clock.now()).toISOString().replace(/\.\d+/, '');
  const involvedObject = { kind: 'Pod', namespace: 't', name: 'p' };
  const body = { metadata: { name }, involvedObject, lastTimestamp };
  expect((await cluster.call('POST', EVENTS, { body })).code).toBe(201);
}

it('removes events an hour after they last happened', async () => {
  await Promise.all(Array.from({ length: 150 }, (_, i) => report(`old-${i}`)));
  await report('again');
  clock.move(50 * MINUTE_MS);
  await report('young');
  const lastTimestamp = new Date(clock.now()).toISOString().replace(/\.\d+/, '');
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  await cluster.call('PATCH', `${EVENTS}/again`, { body: { count: 2, lastTimestamp }, headers });
  expect((await cluster.call('GET', EVENTS)).body.items).toHaveLength(152);
  clock.move(11 * MINUTE_MS);
  await eventually(cluster, `${EVENTS}/old-99`, 404);
  const left = (await cluster.call('GET', EVENTS)).body.items;
  expect(left.map((event: { metadata: { name: string } }) => event.metadata.name)).toEqual(['again', 'young']);
  clock.move(61 * MINUTE_MS);
  await eventually(cluster, `${EVENTS}/young`, 404);
});
