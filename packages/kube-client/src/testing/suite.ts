import { resources } from '@godwit/api';
import type { ConfigMap, PersistentVolumeClaim, Stored } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { isAlreadyExists, isConflict, isInvalid, isNotFound } from '../errors.ts';
import type { KubeClient, WatchEvent } from '../types.ts';

const configMap = (name: string, data: Record<string, string> = {}, more: object = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', ...more },
  data,
});

/** What every `KubeClient` does; `open` gives a client of a server with an empty namespace `default`. */
export function kubeClientSuite(name: string, open: () => Promise<KubeClient> | KubeClient): void {
  describe(`${name} as a KubeClient`, () => {
    it('creates, reads, updates and deletes', async () => {
      const client = await open();
      const created = await client.create(resources.configMaps, configMap('crud', { a: '1' }));
      expect(created.metadata.uid).not.toBe('');
      expect(created.kind).toBe('ConfigMap');
      const updated = await client.update<ConfigMap>(resources.configMaps, { ...created, data: { a: '2' } });
      expect(Number(updated.metadata.resourceVersion)).toBeGreaterThan(Number(created.metadata.resourceVersion));
      expect((await client.get<ConfigMap>(resources.configMaps, 'crud', 'default'))?.data).toEqual({ a: '2' });
      await client.delete(resources.configMaps, 'crud', 'default');
      expect(await client.get(resources.configMaps, 'crud', 'default')).toBeUndefined();
      await client.delete(resources.configMaps, 'crud', 'default');
    });

    it('answers absent objects with undefined, and writes to them with not-found', async () => {
      const client = await open();
      expect(await client.get(resources.configMaps, 'nothing', 'default')).toBeUndefined();
      const patch = client.patch(resources.configMaps, 'nothing', 'default', { type: 'merge', patch: { data: {} } });
      await expect(patch).rejects.toSatisfy(isNotFound);
    });

    it('refuses a second object of the same name and a stale update', async () => {
      const client = await open();
      const first = await client.create(resources.configMaps, configMap('twice'));
      await expect(client.create(resources.configMaps, configMap('twice'))).rejects.toSatisfy(isAlreadyExists);
      await client.update<ConfigMap>(resources.configMaps, { ...first, data: { by: 'somebody' } });
      const stale = client.update<ConfigMap>(resources.configMaps, { ...first, data: { by: 'me' } });
      await expect(stale).rejects.toSatisfy(isConflict);
      await client.delete(resources.configMaps, 'twice', 'default');
    });

    it('makes names from generateName', async () => {
      const client = await open();
      const { name: _name, ...metadata } = configMap('x').metadata;
      const made = await client.create<ConfigMap>(resources.configMaps, {
        ...configMap('x'),
        metadata: { ...metadata, generateName: 'gen-' },
      });
      expect(made.metadata.name).toMatch(/^gen-.{5}$/);
      await client.delete(resources.configMaps, made.metadata.name, 'default');
    });

    it('patches by merge and by JSON patch, and lets a failed test stop the patch', async () => {
      const client = await open();
      await client.create(resources.configMaps, configMap('patched', { a: '1', b: '2' }));
      const merged = await client.patch<ConfigMap>(resources.configMaps, 'patched', 'default', {
        type: 'merge',
        patch: { data: { a: null, c: '3' } },
      });
      expect(merged.data).toEqual({ b: '2', c: '3' });
      const tested = client.patch(resources.configMaps, 'patched', 'default', {
        type: 'json',
        patch: [
          { op: 'test', path: '/data/b', value: 'other' },
          { op: 'replace', path: '/data/b', value: '9' },
        ],
      });
      await expect(tested).rejects.toSatisfy(isInvalid);
      const locked = client.patch(resources.configMaps, 'patched', 'default', {
        type: 'merge',
        patch: { metadata: { resourceVersion: '1' }, data: { b: '9' } },
      });
      await expect(locked).rejects.toSatisfy(isConflict);
      await client.delete(resources.configMaps, 'patched', 'default');
    });

    it('keeps spec and status apart where there is a status subresource', async () => {
      const client = await open();
      const claim: PersistentVolumeClaim = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'claim', namespace: 'default', labels: { l: '1' }, finalizers: ['example.com/hold'] },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'none',
          resources: { requests: { storage: '1Gi' } },
        },
      };
      const made = await client.create(resources.persistentVolumeClaims, claim);
      expect(made.status?.phase).toBe('Pending');
      expect(made.metadata.finalizers).toContain('kubernetes.io/pvc-protection');
      const written = await client.patch<PersistentVolumeClaim>(
        resources.persistentVolumeClaims,
        'claim',
        'default',
        { type: 'merge', patch: { metadata: { labels: { l: '2' } }, status: { phase: 'Bound' } } },
        'status',
      );
      expect(written.status?.phase).toBe('Bound');
      expect(written.metadata.labels?.['l']).toBe('1');
      await client.delete(resources.persistentVolumeClaims, 'claim', 'default');
      const leaving = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, 'claim', 'default');
      expect(leaving?.metadata.deletionTimestamp).toBeDefined();
      await client.patch(resources.persistentVolumeClaims, 'claim', 'default', {
        type: 'merge',
        patch: { metadata: { finalizers: null } },
      });
      expect(await client.get(resources.persistentVolumeClaims, 'claim', 'default')).toBeUndefined();
    });

    it('lists and watches by label: what stops matching is DELETED', async () => {
      const client = await open();
      await client.create(resources.configMaps, configMap('w-1', {}, { labels: { team: 'w' } }));
      await client.create(resources.configMaps, configMap('w-2', {}, { labels: { team: 'other' } }));
      const listed = await client.list(resources.configMaps, { namespace: 'default', labelSelector: 'team=w' });
      expect(listed.items.map((item) => item.metadata.name)).toEqual(['w-1']);
      expect(listed.items[0]?.kind).toBe('ConfigMap');

      const ending = new AbortController();
      const events: WatchEvent<Stored<ConfigMap>>[] = [];
      let synced = false;
      client.watch<ConfigMap>(resources.configMaps, {
        namespace: 'default',
        labelSelector: 'team=w',
        signal: ending.signal,
        onEvent: (event) => events.push(event),
        onSynced: () => {
          synced = true;
        },
      });
      await waitFor(() => synced, { timeoutMs: 5_000, what: 'the first list' });
      const label = (name: string, team: string): Promise<unknown> =>
        client.patch(resources.configMaps, name, 'default', {
          type: 'merge',
          patch: { metadata: { labels: { team } } },
        });
      await label('w-2', 'w');
      await label('w-2', 'other');
      await client.delete(resources.configMaps, 'w-1', 'default');
      await waitFor(() => events.length >= 4, { timeoutMs: 5_000, what: 'four events' });
      expect(events.map((event) => `${event.type} ${event.object.metadata.name}`)).toEqual([
        'ADDED w-1',
        'ADDED w-2',
        'DELETED w-2',
        'DELETED w-1',
      ]);
      ending.abort();
      await client.delete(resources.configMaps, 'w-2', 'default');
    });

    it('collects what an owner leaves behind', async () => {
      const client = await open();
      const owner = await client.create(resources.configMaps, configMap('owner'));
      const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid };
      await client.create(resources.configMaps, configMap('child', {}, { ownerReferences: [reference] }));
      await client.delete(resources.configMaps, 'owner', 'default', { propagationPolicy: 'Background' });
      await waitFor(async () => (await client.get(resources.configMaps, 'child', 'default')) === undefined, {
        timeoutMs: 10_000,
        what: 'the child to be collected',
      });
    });
  });
}
