import { keyOf, resources } from '@godwit/api';
import type { ConfigMap, ObjectKey } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createManager } from './manager.ts';
import type { Manager } from './manager.ts';

const configMap = (name: string, labels: Record<string, string> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels },
  data: {},
});
const patch = (data: object) => ({ type: 'merge', patch: { data } }) as const;

function setUp() {
  const kube = createMemoryKube();
  const manager = createManager({ client: kube.client });
  onTestFinished(() => manager.stop());
  return { kube, manager };
}

function count(manager: Manager, reconcile: (key: ObjectKey, run: number) => Promise<void>): string[] {
  const runs: string[] = [];
  manager.add({
    name: 'count',
    watches: [{ resource: resources.configMaps, toKeys: (object) => [keyOf(object)] }],
    async reconcile(key) {
      runs.push(key.name);
      await reconcile(key, runs.length);
    },
  });
  return runs;
}

const until = (what: string, probe: () => boolean): Promise<boolean> =>
  waitFor(probe, { timeoutMs: 2_000, intervalMs: 2, what });

describe('manager', () => {
  it('starts with full caches and reconciles what is there and what comes', async () => {
    const { kube, manager } = setUp();
    await kube.client.create(resources.configMaps, configMap('old'));
    const cache = manager.cache<ConfigMap>(resources.configMaps);
    const runs = count(manager, async () => undefined);
    await manager.start();
    expect(cache.list().map((one) => one.metadata.name)).toEqual(['old']);
    await kube.client.create(resources.configMaps, configMap('new'));
    await until('both keys', () => runs.includes('old') && runs.includes('new'));
  });

  it('shows its own writes at once, and does not resurrect what is gone', async () => {
    const { kube, manager } = setUp();
    const cache = manager.cache<ConfigMap>(resources.configMaps);
    await manager.start();
    const made = await manager.client.create(resources.configMaps, configMap('mine'));
    expect(cache.get(keyOf(made))?.metadata.uid).toBe(made.metadata.uid);
    await manager.client.patch(resources.configMaps, 'mine', 'default', patch({ a: '1' }));
    expect(cache.get(keyOf(made))?.data).toEqual({ a: '1' });
    await manager.client.delete(resources.configMaps, 'mine', 'default');
    await kube.settled();
    expect(cache.get(keyOf(made))).toBeUndefined();
  });

  it('keeps indexes true through changes', async () => {
    const { kube, manager } = setUp();
    const cache = manager.cache<ConfigMap>(resources.configMaps, {
      indexes: { team: ({ metadata }) => [metadata.labels?.['team'] ?? 'none'] },
    });
    await manager.start();
    await kube.client.create(resources.configMaps, configMap('a', { team: 'x' }));
    await kube.settled();
    expect(cache.byIndex('team', 'x')).toHaveLength(1);
    await kube.client.patch(resources.configMaps, 'a', 'default', {
      type: 'merge',
      patch: { metadata: { labels: { team: 'y' } } },
    });
    await kube.settled();
    expect(cache.byIndex('team', 'x')).toHaveLength(0);
    expect(cache.byIndex('team', 'y')[0]?.metadata.name).toBe('a');
  });

  it('uses the one cache declared for a resource, selectors included', async () => {
    const { kube, manager } = setUp();
    manager.cache<ConfigMap>(resources.configMaps, { labelSelector: 'watched=yes' });
    const runs = count(manager, async () => undefined);
    await manager.start();
    await kube.client.create(resources.configMaps, configMap('unwatched'));
    await kube.client.create(resources.configMaps, configMap('watched', { watched: 'yes' }));
    await until('the watched key', () => runs.length > 0);
    expect(new Set(runs)).toEqual(new Set(['watched']));
  });

  it('retries what fails, and waits for an event after an error that says never', async () => {
    const { kube, manager } = setUp();
    const runs = count(manager, async (key, run) => {
      if (key.name === 'flaky' && run < 4) throw new Error('not yet');
      if (key.name === 'hopeless') throw new GodwitError('NO', 'it is wrong', { retry: 'never' });
    });
    await manager.start();
    await kube.client.create(resources.configMaps, configMap('flaky'));
    await until('three failures and a success', () => runs.length === 4);
    await kube.client.create(resources.configMaps, configMap('hopeless'));
    await until('one hopeless run', () => runs.length === 5);
    await new Promise((resolve) => systemClock.after(50, () => resolve(undefined)));
    expect(runs).toHaveLength(5);
    await kube.client.patch(resources.configMaps, 'hopeless', 'default', patch({ again: '1' }));
    await until('another hopeless run', () => runs.length === 6);
  });

  it('waits for work in progress when it stops', async () => {
    const { kube, manager } = setUp();
    let finish = (): void => undefined;
    const runs = count(manager, () => new Promise((resolve) => (finish = resolve)));
    await manager.start();
    await kube.client.create(resources.configMaps, configMap('slow'));
    await until('the slow run', () => runs.length === 1);
    let stopped = false;
    const stopping = manager.stop().then(() => (stopped = true));
    await kube.settled();
    expect(stopped).toBe(false);
    finish();
    await stopping;
  });
});
