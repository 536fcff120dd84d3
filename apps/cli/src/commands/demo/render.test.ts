import { expect, test } from 'vitest';
import { LiveLine } from './live-line.ts';
import { formatBytes, moveLine, progressLine, renderReport } from './render.ts';
import { demoReport } from './report.ts';
import type { Findings } from './report.ts';

const findings: Findings = {
  moves: [
    {
      kind: 'storage',
      from: 'local',
      to: 'shared',
      totalMs: 1500,
      bytes: 3 * 2 ** 20,
      downtimeMs: undefined,
      pauseMs: undefined,
      guestGapMs: 9.2,
    },
    {
      kind: 'cluster',
      from: 'alpha',
      to: 'beta',
      totalMs: 2500,
      bytes: 200 * 2 ** 20,
      downtimeMs: 21,
      pauseMs: 25,
      guestGapMs: 44,
    },
  ],
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

test('before there is progress, the line shows the phase', () => {
  expect(progressLine('node a -> b', undefined, undefined)).toBe('node a -> b: requested');
  expect(progressLine('node a -> b', 'Scheduling', undefined)).toBe('node a -> b: Scheduling');
});

test('progress shows what is copied, how fast and how long it will take', () => {
  const progress = {
    updatedAt: '',
    stage: 'CopyingDisks',
    bytesTotal: 2 ** 20,
    bytesDone: 2 ** 19,
    bytesTransferred: 2 ** 14,
    bytesPerSecond: 2 ** 18,
    etaSeconds: 1.2,
  } as const;
  expect(progressLine('x', 'Running', progress)).toBe(
    'x: copying disks  50 %  512 KiB of 1.0 MiB  16 KiB moved  256 KiB/s  2 s left',
  );
});

test('sizes use the unit that fits', () => {
  expect([2 ** 10, 1.5 * 2 ** 20, 2 ** 31].map(formatBytes)).toEqual(['1 KiB', '1.5 MiB', '2.00 GiB']);
});

test('the report has a row per move and the proof below', () => {
  const report = demoReport(findings);
  const text = renderReport(report, findings);
  expect(text).toMatch(/storage +local +shared +1\.50 s +3\.0 MiB +2\.0 MiB\/s +0\.0 ms +9\.2 ms/);
  expect(text).toMatch(/cluster +alpha +beta +2\.50 s +200\.0 MiB +80\.0 MiB\/s +21 ms +44 ms/);
  expect(text).toContain('4000 acknowledged, 4000 checked on the final disk, 0 lost, 0 corrupt');
  expect(text).toContain('at most 1 ran at any time');
  expect(moveLine(report.moves[0]!)).toBe('storage local -> shared: 1.50 s, guest silent for at most 9.2 ms');
});

test('on a terminal one line is redrawn', () => {
  const written: string[] = [];
  const line = new LiveLine({ isTTY: true, write: (text) => written.push(text) }, { now: () => 0 });
  line.update('1 %', 'a');
  line.update('2 %', 'a');
  line.print('done');
  expect(written).toEqual(['\r\x1b[2K1 %', '\r\x1b[2K2 %', '\r\x1b[2Kdone\n']);
});

test('elsewhere a line appears when the state changes, or now and then', () => {
  const written: string[] = [];
  let now = 0;
  const line = new LiveLine({ write: (text) => written.push(text) }, { now: () => now });
  for (const [at, text, state] of [
    [0, '1', 'a'],
    [100, '2', 'a'],
    [200, '3', 'b'],
    [2300, '4', 'b'],
  ] as const) {
    now = at;
    line.update(text, state);
  }
  line.print('done');
  expect(written).toEqual(['1\n', '3\n', '4\n', 'done\n']);
});
