import { names, resources } from '@godwit/api';
import type { ConfigMap, VirtualMachineInstanceMigration } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, test } from 'vitest';
import { followMigration, knownMigrations } from './follow.ts';
import type { Migration } from './follow.ts';
import { migration, namespace } from './objects.ts';
import type { Guest } from './objects.ts';
import { trust } from './trust.ts';

const guest: Guest = { name: 'g', userData: '', firmwareUuid: 'u', macAddress: 'm' };
const kind = resources.virtualMachineInstanceMigrations;
const noAbort = new AbortController().signal;

async function createMigration(client: KubeClient, name: string): Promise<Migration> {
  const object = migration(guest, 'unused-');
  const metadata = { name, namespace, labels: { [names.vmiNameLabel]: guest.name } };
  return client.create<VirtualMachineInstanceMigration>(kind, { ...object, metadata });
}

async function setStatus(
  client: KubeClient,
  name: string,
  status: VirtualMachineInstanceMigration['status'],
): Promise<void> {
  await client.patch(kind, name, namespace, { type: 'merge', patch: { status } }, 'status');
}

function follow(
  client: KubeClient,
  known: ReadonlySet<string>,
  timeoutMs = 5000,
  signal = noAbort,
): Promise<Migration> {
  return followMigration(client, { vmiName: guest.name, known, timeoutMs, signal, onChange: () => undefined });
}

test('the next migration is followed, not one from before', async () => {
  const { client } = createMemoryKube();
  await createMigration(client, 'old');
  await setStatus(client, 'old', { phase: 'Succeeded' });
  const following = follow(client, await knownMigrations(client, guest.name));
  await createMigration(client, 'new');
  await setStatus(client, 'new', { phase: 'Running' });
  await setStatus(client, 'new', { phase: 'Succeeded' });
  expect((await following).metadata.name).toBe('new');
});

test('a failed migration says why', async () => {
  const { client } = createMemoryKube();
  const following = expect(follow(client, new Set())).rejects.toThrow('Migration a failed: target is full');
  await createMigration(client, 'a');
  await setStatus(client, 'a', { phase: 'Failed', migrationState: { failureReason: 'target is full' } });
  await following;
});

test('a migration that vanishes or takes too long is a failure', async () => {
  const { client } = createMemoryKube();
  const following = expect(follow(client, new Set())).rejects.toThrow('was deleted in phase none');
  await createMigration(client, 'a');
  await client.delete(kind, 'a', namespace);
  await following;
  await expect(follow(client, new Set(), 20)).rejects.toThrow('Migration of g did not finish within 0.02 s');
});

test('an interrupt ends the wait', async () => {
  const { client } = createMemoryKube();
  const interrupt = new AbortController();
  const following = expect(follow(client, new Set(), 5000, interrupt.signal)).rejects.toThrow('enough');
  interrupt.abort(new Error('enough'));
  await following;
});

test("trust adds the other cluster's CA to what is there already, once", async () => {
  const certificate = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
  const map = (name: string, body: string): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: names.installNamespace },
    data: { [names.caBundleKey]: certificate(body) },
  });
  const [truster, trusted] = [createMemoryKube().client, createMemoryKube().client];
  await trusted.create(resources.configMaps, map(names.caConfigMap, 'b'));
  await truster.create(resources.configMaps, map(names.externalCaConfigMap, 'c'));
  await trust(truster, trusted);
  await trust(truster, trusted);
  const result = await truster.get<ConfigMap>(resources.configMaps, names.externalCaConfigMap, names.installNamespace);
  expect(result?.data).toEqual({ [names.caBundleKey]: certificate('c') + certificate('b') });
});
