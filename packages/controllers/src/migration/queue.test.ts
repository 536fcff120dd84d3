import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admit, levelOf, ranked } from './queue.ts';
import type { QueueEntry, QueueLimits } from './queue.ts';

let made = 0;
function entry(changes: Partial<QueueEntry>): QueueEntry {
  made += 1;
  return {
    uid: `u${made}`,
    name: `m${made}`,
    namespace: 'default',
    createdAt: `2026-01-01T00:00:${String(made).padStart(2, '0')}Z`,
    priority: undefined,
    node: 'n1',
    running: false,
    eligible: true,
    ...changes,
  } as QueueEntry;
}
const now = Date.parse('2026-01-01T00:01:00Z');
const limits = { perCluster: 5, outboundPerNode: 2, inboundPerNode: 2 };
const running = (node: string, count: number, target = 'elsewhere'): QueueEntry[] =>
  Array.from({ length: count }, (_, index) => entry({ node, running: true, target: `${target}${index}` }));
const arriving = (target: string, count: number): QueueEntry[] =>
  Array.from({ length: count }, (_, index) => entry({ node: `far${index}`, running: true, target }));

describe('the queue [SLM 63: cluster limit 5, node limit 2]', () => {
  const mine = entry({ uid: 'mine', node: 'n9', candidates: ['n2', 'n3'] });
  it.each<[string, QueueEntry[], object]>([
    ['an empty cluster', [mine], { admitted: true }],
    ['four running', [...running('n1', 4), mine], { admitted: true }],
    [
      'five running',
      [...running('n1', 5), mine],
      { admitted: false, reason: 'ClusterLimitReached', message: expect.stringContaining('place 1 of 1') },
    ],
    ['two leave its node', [...running('n9', 2), mine], { admitted: false, reason: 'NodeLimitReached' }],
    [
      'an older one takes the last slot',
      [...running('n1', 4), entry({ createdAt: '2025-12-31T23:59:59Z', node: 'n2' }), mine],
      { admitted: false, message: expect.stringContaining('place 2 of 2') },
    ],
    [
      'a heavier one takes the last slot [SLM 54]',
      [
        ...running('n1', 4),
        entry({ createdAt: '2027-01-01T00:00:00Z', priority: 'system-critical', node: 'n2' }),
        mine,
      ],
      { admitted: false },
    ],
    [
      'an older one that its node holds up does not count',
      [...running('n1', 4), entry({ createdAt: '2025-01-01T00:00:00Z', node: 'n1' }), mine],
      { admitted: true },
    ],
    [
      'one that cannot start does not count',
      [...running('n1', 4), entry({ createdAt: '2025-01-01T00:00:00Z', node: 'n2', eligible: false }), mine],
      { admitted: true },
    ],
    ['one of its targets is full', [...arriving('n2', 2), mine], { admitted: true, target: 'n3' }],
    [
      'both of its targets are full',
      [...arriving('n2', 2), ...arriving('n3', 2), mine],
      { admitted: false, reason: 'TargetNodeLimitReached', message: expect.stringContaining('n2, n3') },
    ],
    [
      'an older one is about to fill its only target',
      [
        ...arriving('n2', 1),
        ...arriving('n3', 2),
        entry({ createdAt: '2025-12-31T23:59:00Z', node: 'n4', candidates: ['n2'] }),
        mine,
      ],
      { admitted: false, reason: 'TargetNodeLimitReached' },
    ],
    ['nobody knows it', [entry({})], { admitted: false, reason: 'NotInQueue' }],
    ['it cannot start itself', [{ ...mine, eligible: false }], { admitted: false, reason: 'NotInQueue' }],
    ['it holds a slot already', [...running('n1', 5), { ...mine, running: true }], { admitted: true }],
  ])('%s', (_, entries, wanted) => expect(admit('mine', entries, limits, now)).toMatchObject(wanted));

  it('guests from elsewhere leave no node', () => {
    const others = [entry({ node: '', running: true }), entry({ node: '', running: true })];
    expect(admit('mine', [...others, entry({ uid: 'mine', node: '' })], limits, now).admitted).toBe(true);
  });

  it('namespaces take turns, whatever one of them has asked for before', () => {
    const many = Array.from({ length: 20 }, (_, index) => entry({ uid: `a${index}`, namespace: 'a' }));
    const late = entry({ uid: 'late', namespace: 'b', createdAt: '2026-01-01T00:00:59Z' });
    const order = ranked([...many, late], now).map(({ uid }) => uid);
    expect(order.indexOf('late')).toBe(1);
    expect(order.filter((uid) => uid !== 'late')).toEqual(many.map(({ uid }) => uid));
    // What a namespace has running counts as turns taken.
    const busy = entry({ namespace: 'b', running: true });
    expect(ranked([...many, late, busy], now).map(({ uid }) => uid)[2]).toBe('late');
  });

  it.each<[string, QueueEntry['priority'], number, number]>([
    ['no priority, new', undefined, 0, 0],
    ['no priority, 19 minutes', undefined, 19, 0],
    ['no priority, 20 minutes: as maintenance', undefined, 20, 20],
    ['no priority, 50 minutes: as a user', undefined, 50, 50],
    ['maintenance, 30 minutes: as a user', 'system-maintenance', 30, 50],
    ['nothing reaches critical', 'user-triggered', 100_000, 50],
    ['critical', 'system-critical', 0, 100],
  ])('the level of %s', (_, priority, minutes, level) => {
    const createdAt = '2026-01-01T00:00:00Z';
    expect(levelOf({ priority, createdAt }, Date.parse(createdAt) + minutes * 60_000)).toBe(level);
  });
});

const someEntries = fc
  .array(
    fc.record({
      namespace: fc.constantFrom('a', 'b', 'c'),
      seconds: fc.nat(59),
      priority: fc.constantFrom(undefined, 'system-critical', 'user-triggered', 'system-maintenance'),
      node: fc.constantFrom('n1', 'n2', 'n3'),
      running: fc.boolean(),
      eligible: fc.boolean(),
      candidates: fc.option(fc.subarray(['n1', 'n2', 'n3'], { minLength: 1 }), { nil: undefined }),
    }),
    { maxLength: 12 },
  )
  .map((list) =>
    list.map(({ seconds, candidates, ...one }, index) =>
      entry({
        ...one,
        uid: `e${index}`,
        createdAt: `2026-01-01T00:00:${String(seconds).padStart(2, '0')}Z`,
        ...(one.running
          ? candidates?.[0] === undefined
            ? {}
            : { target: candidates[0] }
          : candidates
            ? { candidates }
            : {}),
      }),
    ),
  );
const someLimits = fc.record({
  perCluster: fc.integer({ min: 1, max: 4 }),
  outboundPerNode: fc.integer({ min: 1, max: 2 }),
  inboundPerNode: fc.integer({ min: 1, max: 2 }),
});

/** Asks for each in turn as the controller does, each answer binding for the next. */
function round(entries: readonly QueueEntry[], by: QueueLimits, atMs: number): QueueEntry[] {
  let state = [...entries];
  for (const { uid } of entries) {
    const answer = admit(uid, state, by, atMs);
    if (!answer.admitted) continue;
    state = state.map((one) =>
      one.uid === uid && !one.running
        ? { ...one, running: true, ...(answer.target === undefined ? {} : { target: answer.target }) }
        : one,
    );
  }
  return state;
}
function counts(values: readonly (string | undefined)[]): number[] {
  const seen = new Map<string, number>();
  for (const value of values) if (value !== undefined && value !== '') seen.set(value, (seen.get(value) ?? 0) + 1);
  return [...seen.values()];
}

describe('whatever is in the queue', () => {
  it('no limit is exceeded by what it admits', () => {
    fc.assert(
      fc.property(someEntries, someLimits, (entries, by) => {
        const before = entries.filter((one) => one.running);
        const after = round(entries, by, now).filter((one) => one.running);
        const worst = (of: (one: QueueEntry) => string | undefined, list: QueueEntry[]) =>
          Math.max(0, ...counts(list.map(of)));
        expect(after.length).toBeLessThanOrEqual(Math.max(by.perCluster, before.length));
        expect(worst((one) => one.node, after)).toBeLessThanOrEqual(
          Math.max(
            by.outboundPerNode,
            worst((one) => one.node, before),
          ),
        );
        expect(worst((one) => one.target, after)).toBeLessThanOrEqual(
          Math.max(
            by.inboundPerNode,
            worst((one) => one.target, before),
          ),
        );
      }),
    );
  });

  it('the answer does not depend on the order of the list', () => {
    fc.assert(
      fc.property(someEntries, someLimits, fc.nat(11), (entries, by, turn) => {
        const turned = [...entries.slice(turn), ...entries.slice(0, turn)].toReversed();
        for (const { uid } of entries) expect(admit(uid, turned, by, now)).toEqual(admit(uid, entries, by, now));
      }),
    );
  });

  it('whoever can start does so at the latest when all the others have had their turn', () => {
    fc.assert(
      fc.property(someEntries, someLimits, (entries, by) => {
        let waiting = entries.filter((one) => one.eligible && !one.running);
        for (let rounds = waiting.length; rounds > 0; rounds -= 1)
          waiting = round(waiting, by, now).filter((one) => !one.running);
        expect(waiting).toEqual([]);
      }),
    );
  });

  it('nobody waits for ever behind a stream of newer ones of a higher level', () => {
    const created = Date.parse('2026-01-01T00:00:00Z');
    const old = entry({ uid: 'old', createdAt: '2026-01-01T00:00:00Z', priority: undefined, node: 'n1' });
    for (let minute = 0; minute <= 60; minute += 1) {
      const atMs = created + minute * 60_000;
      const newer = entry({
        uid: `new${minute}`,
        createdAt: new Date(atMs).toISOString(),
        priority: 'user-triggered',
        node: 'n2',
      });
      if (admit('old', [old, newer], { ...limits, perCluster: 1 }, atMs).admitted) {
        expect(minute).toBe(50);
        return;
      }
    }
    throw new Error('it was never admitted');
  });
});

it('says by which field a limit is set', () => {
  const told = (entries: QueueEntry[]) => {
    const answer = admit('asking', entries, limits, now);
    return answer.admitted ? '' : answer.message;
  };
  const asking = entry({ uid: 'asking', node: 'n9', candidates: ['n2'] });
  expect(told([...running('n1', 5), asking])).toContain('spec.configuration.migrations.parallelMigrationsPerCluster');
  expect(told([...running('n9', 2), asking])).toContain('migrations.parallelOutboundMigrationsPerNode');
  expect(told([...arriving('n2', 2), asking])).toContain('annotation godwit.dev/parallel-inbound-migrations-per-node');
});

it('orders those of the same second by name', () => {
  const createdAt = '2026-01-01T00:00:00Z';
  const all = ['c', 'a', 'b'].map((name, index) => entry({ name, uid: `x${index}`, createdAt }));
  expect(ranked(all, now).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});
