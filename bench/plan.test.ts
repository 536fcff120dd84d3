import { describe, expect, it } from 'vitest';
import { plan, roundOrder } from './plan.ts';
import { operations } from './samples.ts';

const all = { only: [], by: [], runs: 5, quick: false };

describe('the plan', () => {
  it('has three disks with an idle and a writing guest, and five rates of dirtying', () => {
    const names = plan(all).map((spec) => spec.name);
    for (const fill of [10, 50, 100])
      expect(names).toEqual(expect.arrayContaining([`disk-${fill}-idle`, `disk-${fill}-writing`]));
    expect(names.filter((name) => name.startsWith('memory-'))).toHaveLength(5);
    expect(new Set(names).size).toBe(names.length);
  });
  it('moves the lightly loaded guest twenty times', () => {
    const runs = (options: Partial<typeof all>) =>
      plan({ ...all, ...options }).find(({ name }) => name === 'gap')?.runs;
    expect(runs({})).toBe(20);
    expect(runs({ runs: 1 })).toBe(4);
    expect(runs({ quick: true, runs: 3 })).toBe(3);
  });
  it('takes names of cases or their beginnings', () => {
    expect(plan({ ...all, only: ['disk-50', 'gap'] }).map((spec) => spec.name)).toEqual([
      'gap',
      'disk-50-idle',
      'disk-50-writing',
    ]);
    expect(plan({ ...all, only: ['nothing'] })).toEqual([]);
  });
  it('takes names of operations, and leaves cases out that then have none', () => {
    const specs = plan({ ...all, by: ['raw', 'qemu-img'] });
    expect(specs.map((spec) => spec.name)).not.toContain('gap');
    expect(specs[0]?.operations).toEqual(['raw-tls', 'qemu-img']);
  });
  it('is short and has only the thin disk when it must be quick', () => {
    const quick = plan({ ...all, quick: true });
    expect(quick.length).toBeLessThanOrEqual(3);
    expect(quick.every((spec) => spec.fill === undefined || spec.fill === 10)).toBe(true);
  });
});

describe('a round', () => {
  it('has every contender once, in another order than the round before', () => {
    const orders = [0, 1, 2, 3].map((round) => roundOrder(operations, round));
    for (const order of orders) expect(order.toSorted()).toEqual([...operations].toSorted());
    expect(new Set(orders.map((order) => order.join())).size).toBe(4);
    expect(roundOrder(operations, 2)).toEqual(orders[2]);
  });
});
