import { describe, expect, it } from 'vitest';
import type { ObjectStore, StoreEvent, StoreKey, StoreObject } from '../types.ts';

export interface ConformanceSetup {
  /** An empty store that starts at revision 0, with a clock the suite may move. */
  readonly open: (clock: { now(): number; after(ms: number, fn: () => void): () => void }) => ObjectStore;
}

const at = (name: string, namespace = 't', resource = 'things'): StoreKey => ({ resource, namespace, name });

function thing(key: StoreKey, size: number, owner?: string): StoreObject & { size: number } {
  const { name, namespace } = key;
  return {
    metadata: {
      name,
      namespace,
      uid: `uid-${namespace}-${name}`,
      ...(owner ? { ownerReferences: [{ uid: owner }] } : {}),
    },
    size,
  };
}

const line = (event: StoreEvent): string => `${event.revision} ${event.type} ${event.namespace}/${event.name}`;

/** What every `ObjectStore` must do. Call it inside a test file. */
export function storeConformance(name: string, setup: ConformanceSetup): void {
  describe(name, () => {
    let nowMs = 1_000_000;
    const open = (): ObjectStore => setup.open({ now: () => nowMs, after: () => () => undefined });

    it('gives every write the next revision, over all resources', async () => {
      await using store = open();
      const first = await store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) });
      const other = await store.write({ do: 'create', ...at('a', '', 'others'), value: thing(at('a', ''), 1) });
      const second = await store.write({
        do: 'update',
        ...at('a'),
        expected: first.revision,
        value: thing(at('a'), 2),
      });
      expect([first.revision, other.revision, second.revision]).toEqual([1, 2, 3]);
      expect(second.value.metadata.resourceVersion).toBe('3');
      expect(store.get(at('a'))).toMatchObject({ revision: 3, value: { size: 2 } });
      expect(store.revision).toBe(3);
    });

    it('keeps integers that a double cannot hold', async () => {
      await using store = open();
      const value = { ...thing(at('a'), 1), big: 2n ** 63n - 1n };
      const { revision } = await store.write({ do: 'create', ...at('a'), value });
      await store.write({ do: 'delete', ...at('a'), expected: revision });
      expect(store.listAt('things', revision).items[0]?.value).toMatchObject({ big: 2n ** 63n - 1n });
    });

    it('refuses a write whose expectation does not hold, within one batch too', async () => {
      await using store = open();
      const results = await Promise.allSettled([
        store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) }),
        store.write({ do: 'create', ...at('a'), value: thing(at('a'), 2) }),
        store.write({ do: 'update', ...at('a'), expected: 7, value: thing(at('a'), 3) }),
        store.write({ do: 'delete', ...at('b'), expected: 1 }),
      ]);
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
      expect(results[1]).toMatchObject({ reason: { code: 'STORE_CONFLICT' } });
      expect(store.get(at('a'))).toMatchObject({ value: { size: 1 } });
      expect(store.revision).toBe(1);
    });

    it('never lets a reader see a write before it is durable', async () => {
      await using store = open();
      const writing = store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) });
      expect(store.get(at('a'))).toBeUndefined();
      expect(store.revision).toBe(0);
      await writing;
      expect(store.get(at('a'))).toBeDefined();
    });

    it('lists by namespace, then name, and freezes what it hands out', async () => {
      await using store = open();
      for (const key of [at('b', 'y'), at('z', 'x'), at('a', 'y')]) {
        await store.write({ do: 'create', ...key, value: thing(key, 1) });
      }
      expect(store.list('things').items.map((entry) => `${entry.namespace}/${entry.name}`)).toEqual([
        'x/z',
        'y/a',
        'y/b',
      ]);
      expect(store.list('things', 'y').items).toHaveLength(2);
      expect(store.list('others')).toEqual({ revision: 3, items: [] });
      expect(Object.isFrozen(store.get(at('z', 'x'))?.value.metadata)).toBe(true);
    });

    it('keeps snapshots of the past', async () => {
      await using store = open();
      await store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) });
      await store.write({ do: 'create', ...at('b'), value: thing(at('b'), 1) });
      await store.write({ do: 'update', ...at('a'), expected: 1, value: thing(at('a'), 2) });
      await store.write({ do: 'delete', ...at('b'), expected: 2 });
      const sizes = (revision: number): unknown[] =>
        store.listAt('things', revision).items.map((entry) => [entry.name, (entry.value as { size?: number }).size]);
      expect(sizes(1)).toEqual([['a', 1]]);
      expect(sizes(2)).toEqual([
        ['a', 1],
        ['b', 1],
      ]);
      expect(sizes(3)).toEqual([
        ['a', 2],
        ['b', 1],
      ]);
      expect(sizes(4)).toEqual([['a', 2]]);
      expect(() => store.listAt('things', 5)).toThrow(expect.objectContaining({ code: 'STORE_FUTURE_REVISION' }));
    });

    it('replays from a revision and goes on live, without gap or repetition', async () => {
      await using store = open();
      await store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) });
      await store.write({ do: 'update', ...at('a'), expected: 1, value: thing(at('a'), 2) });
      const pending = store.write({ do: 'delete', ...at('a'), expected: 2 });
      const seen: StoreEvent[] = [];
      const stop = store.watch({ resource: 'things', fromRevision: 1, onEvent: (event) => seen.push(event) });
      await pending;
      await store.write({ do: 'create', ...at('b', 'u'), value: thing(at('b', 'u'), 1) });
      await store.write({ do: 'create', ...at('c', '', 'others'), value: thing(at('c', ''), 1) });
      expect(seen.map(line)).toEqual(['2 MODIFIED t/a', '3 DELETED t/a', '4 ADDED u/b']);
      expect(seen[0]?.previous).toMatchObject({ size: 1 });
      expect(seen[1]).toMatchObject({ previous: { size: 2 }, value: { size: 2, metadata: { resourceVersion: '3' } } });
      stop();
      await store.write({ do: 'create', ...at('d'), value: thing(at('d'), 1) });
      expect(seen).toHaveLength(3);
    });

    it('filters a watch by namespace and waits silently for a revision to come', async () => {
      await using store = open();
      const seen: string[] = [];
      store.watch({ namespace: 'u', fromRevision: 2, onEvent: (event) => seen.push(line(event)) });
      for (const key of [at('a', 'u'), at('b', 'u'), at('c', 't'), at('d', 'u')]) {
        await store.write({ do: 'create', ...key, value: thing(key, 1) });
      }
      expect(seen).toEqual(['4 ADDED u/d']);
    });

    it('shows a watch started inside a callback only later events', async () => {
      await using store = open();
      const inner: string[] = [];
      let started = false;
      store.watch({
        onEvent: () => {
          if (!started) store.watch({ fromRevision: store.revision, onEvent: (event) => inner.push(line(event)) });
          started = true;
        },
      });
      await Promise.all(['a', 'b'].map((one) => store.write({ do: 'create', ...at(one), value: thing(at(one), 1) })));
      await store.write({ do: 'create', ...at('c'), value: thing(at('c'), 1) });
      expect(inner).toEqual(['3 ADDED t/c']);
    });

    it('finds by uid and by owner, and forgets both', async () => {
      await using store = open();
      await store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1, 'owner-1') });
      await store.write({ do: 'create', ...at('b'), value: thing(at('b'), 1, 'owner-1') });
      expect(store.ownedBy('owner-1').map((entry) => entry.name)).toEqual(['a', 'b']);
      await store.write({ do: 'update', ...at('a'), expected: 1, value: thing(at('a'), 1, 'owner-2') });
      await store.write({ do: 'delete', ...at('b'), expected: 2 });
      expect(store.ownedBy('owner-1')).toEqual([]);
      expect(store.ownedBy('owner-2').map((entry) => entry.name)).toEqual(['a']);
      expect(store.byUid('uid-t-a')).toMatchObject({ revision: 3 });
      expect(store.byUid('uid-t-b')).toBeUndefined();
      expect(store.resources()).toEqual(['things']);
    });

    it('compacts only what is both old and far behind, and keeps what is still there', async () => {
      await using store = open();
      await store.write({ do: 'create', ...at('kept'), value: thing(at('kept'), 1) });
      await store.write({ do: 'create', ...at('gone'), value: thing(at('gone'), 1) });
      await store.write({ do: 'delete', ...at('gone'), expected: 2 });
      let revision = (await store.write({ do: 'create', ...at('busy'), value: thing(at('busy'), 0) })).revision;
      for (let size = 1; size <= 1200; size++) {
        const change = { do: 'update', ...at('busy'), expected: revision, value: thing(at('busy'), size) } as const;
        revision = (await store.write(change)).revision;
      }
      store.compact();
      expect(store.compactedRevision).toBe(0);
      nowMs += 5 * 60_000 + 1;
      store.compact();
      expect(store.compactedRevision).toBe(204);
      const refused = expect.objectContaining({ code: 'STORE_COMPACTED' });
      expect(() => store.watch({ fromRevision: 203, onEvent: () => undefined })).toThrow(refused);
      expect(() => store.listAt('things', 203)).toThrow(refused);
      expect(store.listAt('things', 204).items.map((entry) => entry.name)).toEqual(['busy', 'kept']);
      const seen: StoreEvent[] = [];
      store.watch({ fromRevision: 204, onEvent: (event) => seen.push(event) });
      expect(seen).toHaveLength(1000);
      expect(seen[0]).toMatchObject({ revision: 205, previous: { size: 200 } });
    });

    it('refuses everything once closed, after finishing what was asked', async () => {
      const store = open();
      const last = store.write({ do: 'create', ...at('a'), value: thing(at('a'), 1) });
      await store.close();
      expect((await last).revision).toBe(1);
      await expect(store.write({ do: 'delete', ...at('a'), expected: 1 })).rejects.toMatchObject({
        code: 'STORE_CLOSED',
      });
    });
  });
}
