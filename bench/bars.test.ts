import { describe, expect, it } from 'vitest';
import { bars, judge } from './bars.ts';
import type { Bar } from './bars.ts';
import { plan } from './plan.ts';
import type { Operation, Sample } from './samples.ts';

const sample = (operation: Operation, totalMs: number, more: Partial<Sample> = {}): Sample => ({
  case: 'disk-10-idle',
  operation,
  round: 1,
  warmUp: false,
  figures: { totalMs },
  ...more,
});
const twice: Bar = {
  case: 'disk-10-idle',
  promise: 'twice as fast',
  statistic: 'median',
  over: { operation: 'virsh-tls', figure: 'totalMs' },
  under: { operation: 'godwit-tls', figure: 'totalMs' },
  bound: { atLeast: 2 },
};

describe('a promise', () => {
  it('is met for sure when no resampling misses the bound', () => {
    const samples = [sample('virsh-tls', 50), sample('virsh-tls', 54), sample('godwit-tls', 20)];
    expect(judge(twice, samples)).toMatchObject({ verdict: 'met', sure: true, estimate: { value: 2.6 } });
  });
  it('is within the noise when the interval straddles the bound', () => {
    const samples = [39, 41, 42].flatMap((ms) => [sample('virsh-tls', ms), sample('godwit-tls', ms - 21)]);
    expect(judge(twice, samples)).toMatchObject({ verdict: 'met', sure: false });
  });
  it('is missed', () => {
    const samples = [sample('virsh-tls', 30), sample('godwit-tls', 20)];
    expect(judge(twice, samples)).toMatchObject({ verdict: 'missed', sure: true, estimate: { value: 1.5 } });
  });
  it('is not measured while one side has no sample that counts', () => {
    const warmUp = sample('virsh-tls', 50, { warmUp: true });
    const lost = sample('virsh-tls', 50, { void: 'the guest was lost' });
    const elsewhere = sample('virsh-tls', 50, { case: 'disk-50-idle' });
    expect(judge(twice, [sample('godwit-tls', 10), warmUp, lost, elsewhere])).toMatchObject({ verdict: 'unmeasured' });
  });
});

it('every promise is about operations that its case measures', () => {
  const cases = new Map(plan({ only: [], by: [], runs: 5, quick: false }).map((spec) => [spec.name, spec]));
  for (const { case: name, over, under } of bars) {
    const measured = cases.get(name)?.operations;
    expect(measured, name).toContain(over.operation);
    if (under !== undefined) expect(measured, name).toContain(under.operation);
  }
});
