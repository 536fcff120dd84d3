import type { HandoverPlace, HandoverReport } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { fencingLines, handoverLines } from './render.ts';
import { choose, joined } from './run.ts';

const NOW = Date.parse('2026-01-01T00:05:00Z');
const alive: HandoverPlace = {
  node: 'node1',
  nodeReady: true,
  lastSeen: '2026-01-01T00:04:58Z',
  side: { role: 'source', phase: 'Undecided', undecided: true, guest: 'postmigrate' },
};
const dead: HandoverPlace = { node: 'node2', nodeReady: false, lastSeen: '2026-01-01T00:00:00Z', silent: 'refused' };
const away: HandoverPlace = { node: 'node9', elsewhere: true };
const report: HandoverReport = {
  migrationUID: 'm',
  undecided: true,
  since: '2026-01-01T00:01:00Z',
  source: alive,
  target: dead,
};

describe('godwit resolve', () => {
  it('says of both sides what is known and when they were seen', () => {
    expect(handoverLines('VM a/b', report, NOW)).toEqual([
      'VM a/b: nobody knows which side has the guest since 2026-01-01T00:01:00Z (4 min ago); it is paused',
      '  source  node node1 (ready, last seen 2 s ago): Undecided, its QEMU is postmigrate',
      '  target  node node2 (not ready, last seen 5 min ago): unknown, refused',
    ]);
    expect(handoverLines('VM a/b', { ...report, target: away }, NOW)[2]).toContain('another cluster');
  });

  it('names the side that must be fenced', () => {
    expect(fencingLines('source', report)[1]).toContain(
      "target's QEMU is gone and cannot come back: switch node node2 off",
    );
    expect(fencingLines('target', report)[1]).toContain('node node1');
  });

  it('asks the cluster that has the side, and joins what both clusters know', () => {
    const here = { cluster: 'alpha', report: { ...report, target: away } };
    const there = { cluster: 'beta', report: { ...report, source: away, target: { ...dead, node: 'node9' } } };
    expect(choose([here, there], 'target')?.cluster).toBe('beta');
    expect(choose([there, here], 'source')?.cluster).toBe('alpha');
    expect(choose([here], 'target')?.cluster).toBe('alpha');
    expect(choose([], 'target')).toBeUndefined();
    expect(joined(here.report, [here.report, there.report]).target.silent).toBe('refused');
    expect(joined(here.report, [here.report]).target.elsewhere).toBe(true);
  });
});
