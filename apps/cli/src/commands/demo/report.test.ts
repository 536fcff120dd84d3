import { expect, test } from 'vitest';
import { demoReport, problems, reportMove } from './report.ts';
import type { Findings, MeasuredMove } from './report.ts';

const move: MeasuredMove = {
  kind: 'node',
  from: 'node1',
  to: 'node2',
  totalMs: 2000.4,
  bytes: 50_000_000,
  downtimeMs: 21.26,
  pauseMs: 30,
  guestGapMs: 44.44,
};

const clean: Findings = {
  moves: [move],
  guest: {
    heartbeats: 9000,
    missing: 3,
    regressions: 0,
    bootIds: ['a'],
    acknowledged: 4000,
    pagesChecked: 100,
    memoryErrors: 0,
    ioErrors: 0,
  },
  disk: { checked: 4000, lost: 0, corrupt: 0, faults: [] },
  runnersMax: 1,
};

test('throughput is what was copied over the whole time of the move', () => {
  expect(reportMove(move)).toEqual({
    kind: 'node',
    from: 'node1',
    to: 'node2',
    totalMs: 2000,
    bytes: 50_000_000,
    bytesPerSecond: 24_995_001,
    downtimeMs: 21.3,
    guestGapMs: 44.4,
  });
});

test("downtime is the migration's own figure, else what QEMU's events say, else none", () => {
  expect(reportMove({ ...move, downtimeMs: undefined }).downtimeMs).toBe(30);
  expect(reportMove({ ...move, downtimeMs: undefined, pauseMs: undefined }).downtimeMs).toBe(0);
});

test('a guest that was never heard was silent all the time', () => {
  expect(reportMove({ ...move, guestGapMs: undefined }).guestGapMs).toBe(2000.4);
});

test('the JSON has exactly the documented members', () => {
  const report = demoReport(clean);
  expect(Object.keys(report)).toEqual(['moves', 'oracle', 'reboots', 'runnersMax']);
  expect(report).toMatchObject({ oracle: { acknowledged: 4000, lost: 0, corrupt: 0 }, reboots: 0, runnersMax: 1 });
});

test('a clean run has no problems, dropped datagrams and held disk errors included', () => {
  expect(problems(clean)).toEqual([]);
});

test.each<[string, Partial<Findings>]>([
  ['missing', { disk: { ...clean.disk, lost: 2 } }],
  ['never wrote', { disk: { ...clean.disk, corrupt: 1 } }],
  ['rebooted 1', { guest: { ...clean.guest, bootIds: ['a', 'b'] } }],
  ['twice', { guest: { ...clean.guest, regressions: 1 } }],
  ['memory', { guest: { ...clean.guest, memoryErrors: 1 } }],
  ['never acknowledged', { guest: { ...clean.guest, acknowledged: 0 } }],
  ['2 copies', { runnersMax: 2 }],
  ['No QEMU', { runnersMax: 0 }],
])('a run is a failure: %s', (words, change) => {
  expect(problems({ ...clean, ...change })).toEqual([expect.stringContaining(words)]);
});
