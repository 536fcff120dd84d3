import { expect, test } from 'vitest';
import { HeartbeatLog } from './heartbeat-log.ts';
import { parseReport } from './report.ts';
import type { OracleReport } from './report.ts';

const bootA = 'd06f1246-9daa-4976-8883-c0f42aa2f667';
const bootB = '11111111-9daa-4976-8883-c0f42aa2f667';

function report(heartbeat: number, changes: Partial<OracleReport> = {}): OracleReport {
  return {
    runId: '00000000deadbeef',
    bootId: bootA,
    heartbeat,
    acknowledged: heartbeat * 2,
    pagesChecked: heartbeat * 10,
    memoryErrors: 0,
    ioErrors: 0,
    guestMicroseconds: heartbeat * 5000,
    ...changes,
  };
}

function logOf(...entries: readonly (readonly [number, OracleReport])[]): HeartbeatLog {
  const log = new HeartbeatLog();
  for (const [atMs, entry] of entries) log.add(entry, atMs);
  return log;
}

test('a datagram of the guest is understood, anything else is not', () => {
  expect(parseReport(`GWO1 00000000deadbeef ${bootA} 1776 881 43758 1 2 11028381`)).toEqual({
    runId: '00000000deadbeef',
    bootId: bootA,
    heartbeat: 1776,
    acknowledged: 881,
    pagesChecked: 43758,
    memoryErrors: 1,
    ioErrors: 2,
    guestMicroseconds: 11028381,
  });
  for (const text of ['', 'GWO1', `GWO1 xyz ${bootA} 1 1 1 1 1 1`, `GWO1 00000000deadbeef ${bootA} 1 1 1 1 1 -1`])
    expect(parseReport(text)).toBeUndefined();
});

test('numbers that did not arrive are missing, and nothing else', () => {
  const summary = logOf([0, report(1)], [5, report(2)], [30, report(7)]).summary();
  expect(summary).toMatchObject({ heartbeats: 3, missing: 4, regressions: 0, bootIds: [bootA], acknowledged: 14 });
});

test.each([
  ['a number twice', [report(1), report(2), report(2)]],
  ['a number going back', [report(1), report(5), report(3)]],
  ['an older boot speaking again', [report(1), report(1, { bootId: bootB }), report(2)]],
  ['fewer writes acknowledged than before', [report(1), report(2, { acknowledged: 1 })]],
])('%s is a regression', (_what, reports) => {
  expect(logOf(...reports.map((entry, i) => [i, entry] as const)).summary().regressions).toBe(1);
});

test('a reboot is a second boot, not a regression, and counters add up over it', () => {
  const summary = logOf(
    [0, report(100, { memoryErrors: 1 })],
    [50, report(1, { bootId: bootB, memoryErrors: 2 })],
  ).summary();
  expect(summary).toMatchObject({ regressions: 0, memoryErrors: 3, pagesChecked: 1010, acknowledged: 200 });
  expect(summary.bootIds).toEqual([bootA, bootB]);
});

test('the longest silence is found only in the window that it touches', () => {
  const log = logOf([0, report(1)], [100, report(2)], [105, report(3)], [180, report(4)], [185, report(5)]);
  expect(log.longestGap(0, 200)?.lengthMs).toBe(100);
  expect(log.longestGap(50, 60)?.lengthMs).toBe(100);
  expect(log.longestGap(101, 200)).toMatchObject({ fromMs: 105, toMs: 180, lengthMs: 75 });
  expect(log.longestGap(181, 186)?.lengthMs).toBe(5);
});

test('a silence that still lasts counts up to the end of the window', () => {
  const log = logOf([0, report(1)], [5, report(2)]);
  expect(log.longestGap(0, 1000)).toMatchObject({ fromMs: 5, toMs: 1000, lengthMs: 995 });
  expect(new HeartbeatLog().longestGap(0, 1000)).toBeUndefined();
});
