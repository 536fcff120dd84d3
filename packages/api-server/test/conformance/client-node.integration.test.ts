import {
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  Watch,
} from '@kubernetes/client-node';
import type { KubernetesObject, V1ConfigMap } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { fixtures, widget } from '../support/widgets.ts';

let cluster: TestCluster;
let config: KubeConfig;
let core: CoreV1Api;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
  config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig());
  core = config.makeApiClient(CoreV1Api);
});
afterAll(() => cluster.stop());

const namespace = 't';

/** Values as they come, each awaited once. */
class Inbox<T> {
  readonly #values: T[] = [];
  #wake: () => void = () => undefined;

  put(value: T): void {
    this.#values.push(value);
    this.#wake();
  }

  async take(accept: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined && accept(value)) return value;
      if (value === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

it('lists, creates, replaces, patches and deletes typed objects', async () => {
  const body = { metadata: { name: 'typed' }, data: { a: '1' } };
  const created = await core.createNamespacedConfigMap({ namespace, body });
  expect(created.metadata?.uid).toBeDefined();
  expect(created.metadata?.creationTimestamp).toBeInstanceOf(Date);
  const { items } = await core.listNamespacedConfigMap({ namespace });
  expect(items.map((item) => item.metadata?.name)).toContain('typed');
  const name = 'typed';
  created.data = { a: '2' };
  const replaced = await core.replaceNamespacedConfigMap({ name, namespace, body: created });
  expect(replaced.data).toEqual({ a: '2' });
  const patched = await core.patchNamespacedConfigMap({
    name,
    namespace,
    body: [{ op: 'replace', path: '/data/a', value: '3' }],
  });
  expect(patched.data).toEqual({ a: '3' });
  const merged = await core.patchNamespacedConfigMap(
    { name, namespace, body: { data: { b: '1' } } },
    setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
  );
  expect(merged.data).toEqual({ a: '3', b: '1' });
  expect((await core.deleteNamespacedConfigMap({ name, namespace })).status).toBe('Success');
  await expect(core.readNamespacedConfigMap({ name, namespace })).rejects.toMatchObject({ code: 404 });
});

it('handles any object by its kind', async () => {
  const objects = KubernetesObjectApi.makeApiClient(config);
  const spec = widget('w', { color: 'red' }, { namespace }) as KubernetesObject;
  await objects.create(spec);
  const args = [undefined, undefined, 'tester', true] as const;
  const change = { ...spec, spec: { color: 'blue' } };
  const merged = await objects.patch(change, undefined, undefined, undefined, undefined, PatchStrategy.MergePatch);
  expect(merged).toMatchObject({ spec: { color: 'blue' } });
  const applied = await objects.patch({ ...spec, spec: { color: 'red' } }, ...args, PatchStrategy.ServerSideApply);
  expect(applied).toMatchObject({ spec: { color: 'red' } });
  expect(applied.metadata?.managedFields?.map((one) => one.manager)).toContain('tester');
  expect((await objects.list('ex.io/v1', 'Widget', namespace)).items).toHaveLength(1);
  await objects.delete(spec);
  const custom = config.makeApiClient(CustomObjectsApi);
  const rest = { group: 'ex.io', version: 'v1', namespace, plural: 'widgets' };
  expect((await custom.listNamespacedCustomObject(rest)).items).toEqual([]);
});

it('informs of additions, updates and deletions', async () => {
  const seen = new Inbox<string>();
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'before' } } });
  const informer = makeInformer<V1ConfigMap>(config, path, () => core.listNamespacedConfigMap({ namespace }));
  for (const verb of ['add', 'update', 'delete'] as const) {
    informer.on(verb, (object) => seen.put(`${verb} ${object.metadata?.name} ${object.data?.['a'] ?? ''}`));
  }
  await informer.start();
  try {
    await seen.take((line) => line === 'add before ');
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'i' }, data: { a: '1' } } });
    await seen.take((line) => line === 'add i 1');
    await core.patchNamespacedConfigMap({
      name: 'i',
      namespace,
      body: [{ op: 'replace', path: '/data/a', value: '2' }],
    });
    await seen.take((line) => line === 'update i 2');
    expect(informer.get('i', namespace)?.data).toEqual({ a: '2' });
    await core.deleteNamespacedConfigMap({ name: 'i', namespace });
    await seen.take((line) => line === 'delete i 2');
    expect(informer.get('i', namespace)).toBeUndefined();
  } finally {
    await informer.stop();
  }
});

it('watches', async () => {
  const seen = new Inbox<string>();
  const done = Promise.withResolvers<void>();
  const { metadata } = await core.listNamespacedSecret({ namespace });
  const query = { resourceVersion: metadata?.resourceVersion, allowWatchBookmarks: true };
  const onEvent = (type: string, object: { metadata: { name: string } }): void =>
    seen.put(`${type} ${object.metadata.name}`);
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const abort = await new Watch(config).watch(path, query, onEvent, () => done.resolve());
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { a: 'x' } } });
  await seen.take((line) => line === 'ADDED s');
  await core.deleteNamespacedSecret({ name: 's', namespace });
  await seen.take((line) => line === 'DELETED s');
  abort.abort();
  await done.promise;
});
