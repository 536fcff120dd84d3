import { describe, expect, it } from 'vitest';
import { renderReport } from './report.ts';
import type { Operation, Results, Sample } from './samples.ts';

const sample = (operation: Operation, totalMs: number, more: Partial<Sample> = {}): Sample => ({
  case: 'disk-10-idle',
  operation,
  round: 0,
  warmUp: false,
  figures: { totalMs, gapMs: totalMs / 50 },
  ...more,
});
const results = (samples: readonly Sample[], missing: readonly string[] = []): Results => ({
  version: 1,
  startedAt: '2026-02-03T04:05:06.000Z',
  finishedAt: '2026-02-03T05:05:06.000Z',
  machine: { processors: '2 x Fast' },
  settings: { 'rounds of each case': '2' },
  cases: [{ name: 'disk-10-idle', title: 'Disk of 4 GiB, 10 % full, idle guest' }],
  samples,
  missing,
});

describe('the report', () => {
  it('says of each promise what was promised, what was measured, and how sure that is', () => {
    const text = renderReport(results([sample('godwit-tls', 2500), sample('virsh-tls', 5600)]));
    expect(text).toContain(
      '| `disk-10-idle` | as fast as virsh --copy-storage-all, both with TLS | ≥ 2.00 | 2.24 | 2.24 – 2.24 | met |',
    );
    expect(text).toMatch(/both without TLS \| ≥ 2.50 \| - \| - \| unmeasured/);
    expect(text).toContain('Measured 2026-02-03. 1 promises met, 0 missed');
  });
  it('leaves promises of other cases out', () => {
    expect(renderReport(results([]))).not.toContain('`gap`');
  });
  it('makes a missed promise stand out', () => {
    expect(renderReport(results([sample('godwit-tls', 5000), sample('virsh-tls', 5600)]))).toContain('**missed**');
  });
  it('counts samples that are void and says why, and does not judge by them', () => {
    const lost = sample('virsh-tls', 1, { void: 'the guest was lost' });
    const text = renderReport(results([sample('virsh-tls', 5600), lost, lost]));
    expect(text).toContain('| `virsh migrate --copy-storage-all --tls` | 1 | 2 | 5600 (5600 – 5600) |');
    expect(text).toContain('- 2 x `virsh migrate --copy-storage-all --tls`: the guest was lost');
  });
  it('says what could not be compared with', () => {
    expect(renderReport(results([], ['nbdcopy: apt-get install libnbd-bin']))).toContain('Not measured: nbdcopy');
  });
});
