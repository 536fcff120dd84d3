import { names, resources } from '@godwit/api';
import type { CertificateSigningRequest, ConfigMap, VirtualMachineInstance } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { createMigrationKey } from '@godwit/migration-link';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRealServer } from '../../kube-client/test/support/real-server.ts';
import type { RealServer } from '../../kube-client/test/support/real-server.ts';
import { startControllers } from '../src/index.ts';
import type { RunningControllers } from '../src/index.ts';
import { makeCa } from '../src/testing/certificates.ts';
import { runFakeAgent } from '../src/testing/fake-agent.ts';
import { addReadyNode, storageScenarios } from '../src/testing/storage-scenarios.ts';

let server: RealServer;
let client: KubeClient;
let running: RunningControllers;
const ending = new AbortController();

beforeAll(async () => {
  server = await startRealServer();
  client = await server.client();
  await addReadyNode(client, 'n1');
  await addReadyNode(client, 'n2');
  runFakeAgent(client, ending.signal);
  running = await startControllers({
    client: await server.client('CN=system:kubevirt:controller, O=system:masters'),
    clusterName: 'test',
    kubevirtCa: await makeCa('kubevirt'),
    log: silentLogger,
  });
});
afterAll(async () => {
  ending.abort();
  await running.stop();
  await server.dispose();
});

describe('all controllers on the embedded API server', () => {
  storageScenarios(() => ({ client }));

  it('publish the trust bundle', async () => {
    const read = () => client.get<ConfigMap>(resources.configMaps, names.caConfigMap, names.installNamespace);
    const bundle = await waitFor(read, { timeoutMs: 5_000, what: 'the bundle' });
    expect(bundle.data?.[names.caBundleKey]).toContain('BEGIN CERTIFICATE');
  });

  it('sign for the node that a migration names, whoever else asks', async () => {
    const vmi = await client.create<VirtualMachineInstance>(resources.virtualMachineInstances, {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstance',
      metadata: { name: 'moved', namespace: 'default' },
      // Never placed: no node has that label.
      spec: { nodeSelector: { nowhere: 'yes' }, domain: { devices: {}, memory: { guest: '64Mi' } } },
    });
    const vmim = await client.create(resources.virtualMachineInstanceMigrations, {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstanceMigration',
      metadata: { name: 'move', namespace: 'default' },
      spec: { vmiName: 'moved' },
    });
    await client.patch(resources.virtualMachineInstances, 'moved', 'default', {
      type: 'merge',
      patch: { status: { migrationState: { migrationUid: vmim.metadata.uid, sourceNode: 'n1', targetNode: 'n2' } } },
    });
    const identity = { id: vmim.metadata.uid, namespace: 'default', name: vmi.metadata.name };
    const { csrPem } = await createMigrationKey(identity, 'source');
    const ask = async (user: string, name: string): Promise<CertificateSigningRequest> => {
      const agent = await server.client(`CN=${user}, O=system:nodes`);
      await agent.create<CertificateSigningRequest>(resources.certificateSigningRequests, {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: {
          request: Buffer.from(csrPem).toString('base64'),
          signerName: names.signerName,
          usages: ['digital signature', 'client auth'],
        },
      });
      return waitFor(
        async () => {
          const csr = await client.get<CertificateSigningRequest>(resources.certificateSigningRequests, name);
          const decided = csr?.status?.certificate ?? csr?.status?.conditions?.find((one) => one.type === 'Denied');
          return decided === undefined ? undefined : csr;
        },
        { timeoutMs: 45_000, what: 'a verdict' },
      );
    };
    const [granted, refused] = await Promise.all([ask('system:node:n1', 'granted'), ask('system:node:n2', 'refused')]);
    expect(granted.status?.certificate).toBeDefined();
    expect(refused.status).toMatchObject({ conditions: [{ type: 'Denied', reason: 'NotEntitled' }] });
  });

  it('go on when the API server comes back', async () => {
    await server.restart();
    // The first read finds out that the old connections are dead; a write would only be refused.
    await client.list(resources.nodes);
    await client.create(resources.persistentVolumeClaims, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'after', namespace: 'default' },
      spec: {
        accessModes: ['ReadWriteMany'],
        storageClassName: 'shared',
        resources: { requests: { storage: '1Mi' } },
      },
    });
    const read = () => client.get(resources.persistentVolumeClaims, 'after', 'default');
    await waitFor(async () => ((await read())?.['status'] as { phase?: string })?.phase === 'Bound', {
      timeoutMs: 30_000,
      what: 'the claim to be bound',
    });
  });
});
