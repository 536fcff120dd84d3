import { isTrue, names, resources } from '@godwit/api';
import type {
  KubeObject,
  PersistentVolumeClaim,
  Pod,
  ResourceKind,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRealServer } from '../../kube-client/test/support/real-server.ts';
import type { RealServer } from '../../kube-client/test/support/real-server.ts';
import { startControllers } from '../src/index.ts';
import type { RunningControllers } from '../src/index.ts';
import { makeCa } from '../src/testing/certificates.ts';
import { runFakeAgent } from '../src/testing/fake-agent.ts';
import { addReadyNode } from '../src/testing/storage-scenarios.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, pods, persistentVolumeClaims } =
  resources;

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

async function until<T extends KubeObject>(
  resource: ResourceKind,
  name: string,
  what: string,
  holds: (object: Stored<T>) => boolean,
): Promise<Stored<T>> {
  let last: Stored<T> | undefined;
  const probe = async (): Promise<Stored<T> | undefined> => {
    last = await client.get<T>(resource, name, 'default');
    return last && holds(last) ? last : undefined;
  };
  try {
    // The cast is safe: undefined is waited out.
    return (await waitFor(probe, { timeoutMs: 20_000, intervalMs: 10, what })) as Stored<T>;
  } catch (error) {
    throw new Error(`${what} never held of ${JSON.stringify(last?.['status'] ?? last, undefined, 1)}`, {
      cause: error,
    });
  }
}

function blankTemplate(
  name: string,
  storageClassName?: string,
): NonNullable<VirtualMachine['spec']['dataVolumeTemplates']>[number] {
  return {
    metadata: { name },
    spec: {
      source: { blank: {} },
      storage: {
        resources: { requests: { storage: '64Mi' } },
        ...(storageClassName === undefined ? {} : { storageClassName }),
      },
    },
  };
}

async function report(status: object): Promise<void> {
  await client.patch(virtualMachineInstances, 'vm1', 'default', { type: 'merge', patch: { status } });
}

describe('a VM on the embedded API server', () => {
  it('boots on a node that its blank disk decides', async () => {
    await client.create<VirtualMachine>(virtualMachines, {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachine',
      metadata: { name: 'vm1', namespace: 'default' },
      spec: {
        runStrategy: 'Always',
        dataVolumeTemplates: [blankTemplate('root')],
        template: {
          spec: {
            domain: { memory: { guest: '64Mi' }, devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] } },
            terminationGracePeriodSeconds: 0,
            volumes: [{ name: 'root', dataVolume: { name: 'root' } }],
          },
        },
      },
    });
    const vmi = await until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'a node',
      (one) => one.status?.phase === 'Scheduled',
    );
    const [pod] = (
      await client.list<Pod>(pods, {
        namespace: 'default',
        labelSelector: `${names.createdByLabel}=${vmi.metadata.uid}`,
      })
    ).items;
    expect(pod?.spec.nodeName).toBe(vmi.status?.nodeName);
    await until<PersistentVolumeClaim>(persistentVolumeClaims, 'root', 'bound', (one) => one.status?.phase === 'Bound');
    await client.patch(
      pods,
      pod?.metadata.name ?? '',
      'default',
      { type: 'merge', patch: { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } } },
      'status',
    );
    await report({
      phase: 'Running',
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'LiveMigratable', status: 'True' },
      ],
    });
    const vm = await until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'Running',
      (one) => one.status?.printableStatus === 'Running',
    );
    expect(vm.status).toMatchObject({ ready: true, lastVolumes: { root: 'root' } });
    expect(vm.status?.conditions?.some((one) => one.type === 'RestartRequired')).toBe(false);
  });

  it.each([
    ['to a class of the whole cluster', 'root2', 'shared'],
    ['to a block device of its own node', 'root3', 'local-block'],
  ])('moves its disk in place %s', async (_, name, storageClass) => {
    await client.patch(virtualMachines, 'vm1', 'default', {
      type: 'merge',
      patch: {
        spec: {
          updateVolumesStrategy: 'Migration',
          dataVolumeTemplates: [blankTemplate(name, storageClass)],
          template: { spec: { volumes: [{ name: 'root', dataVolume: { name } }] } },
        },
      },
    });
    const found = await waitFor(
      async () =>
        (
          await client.list<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, {
            namespace: 'default',
            labelSelector: `${names.volumeUpdateMigrationLabel}=vm1`,
          })
        ).items.find((one) => one.status?.phase === 'TargetReady'),
      { timeoutMs: 20_000, what: 'a migration that is ready' },
    );
    const vmi = await client.get<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'default');
    const state = vmi?.status?.migrationState;
    expect(state).toMatchObject({
      migrationUid: found.metadata.uid,
      method: 'InPlace',
      targetNode: vmi?.status?.nodeName,
    });
    expect(state?.volumes?.[0]?.destinationPVCInfo?.claimName).toBe(name);
    expect(isTrue(vmi?.status?.conditions, 'VolumesChange')).toBe(true);
    const conditions = vmi?.status?.conditions?.filter((one) => one.type !== 'VolumesChange');
    await report({ migrationState: { ...state, startTimestamp: '2026-01-01T00:00:00Z' } });
    await until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      found.metadata.name,
      'Running',
      (one) => one.status?.phase === 'Running',
    );
    await report({
      migratedVolumes: null,
      conditions,
      migrationState: {
        ...state,
        startTimestamp: '2026-01-01T00:00:00Z',
        endTimestamp: '2026-01-01T00:00:05Z',
        completed: true,
      },
    });
    await until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      found.metadata.name,
      'Succeeded',
      (one) => one.status?.migrationState?.completed === true,
    );
    const vm = await until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'its data at the new place',
      (one) => one.status?.lastVolumes?.['root'] === name,
    );
    expect(vm.status?.conditions?.some((one) => one.type === 'RestartRequired')).toBe(false);
  });

  it('goes with everything it owns', async () => {
    await client.delete(virtualMachines, 'vm1', 'default');
    await until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'its deletion',
      (one) => one.metadata.deletionTimestamp !== undefined,
    );
    const launchers = await client.list<Pod>(pods, {
      namespace: 'default',
      labelSelector: `${names.appLabel}=virt-launcher`,
    });
    for (const pod of launchers.items)
      await client.delete(pods, pod.metadata.name, 'default', { gracePeriodSeconds: 0 });
    for (const [resource, name] of [
      [virtualMachineInstances, 'vm1'],
      [virtualMachines, 'vm1'],
      [persistentVolumeClaims, 'root3'],
    ] as const) {
      await waitFor(async () => (await client.get(resource, name, 'default')) === undefined, {
        timeoutMs: 20_000,
        what: `${resource.kind} ${name} to go`,
      });
    }
  });
});
