import { join } from 'node:path';
import { findCondition, isTrue, names, resources } from '@godwit/api';
import type {
  KubeObject,
  KubeVirt,
  MigrationConfiguration,
  Pod,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { checkBootSectorDisk, watchSerial } from '@godwit/hypervisor/testing';
import { describe, expect, it, vi } from 'vitest';
import { startControllers } from '../../controllers/src/index.ts';
import { scheduling } from '../../controllers/src/scheduling/controller.ts';
import { virtControllers } from '../../controllers/src/virt/controllers.ts';
import { boundClaim, createAgentHost, qemusBelow } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { offerBootImage } from './moving-guest.ts';

vi.setConfig({ testTimeout: 240_000 });
const MIB = 2 ** 20;
const patience = { timeoutMs: 60_000 };
const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, kubeVirts, pods } = resources;

type Kind = 'in place' | 'to another node with its disk' | 'to another node';
const KINDS: readonly Kind[] = ['in place', 'to another node with its disk', 'to another node'];

/** Slow enough that the middle is there for as long as a test looks at it. */
const SLOW: Record<Kind, MigrationConfiguration> = {
  'in place': { bandwidthPerMigration: '1Mi' },
  'to another node with its disk': { bandwidthPerMigration: '1Mi' },
  // Less than a page within the downtime, and every page dirtied again before all are sent: it never ends by itself.
  'to another node': { bandwidthPerMigration: '384Ki', maxDowntimeMs: 1 },
};

/** A cluster in memory with its real controllers and node agents, and the boot sector guest as a VM in it. */
interface Scene extends AsyncDisposable {
  readonly host: AgentHost;
  vmi(): Promise<Stored<VirtualMachineInstance> | undefined>;
  until<T>(what: string, probe: () => Promise<T>): Promise<Exclude<T, undefined | false>>;
  patchMachine(patch: object): Promise<void>;
}

const volumes = (claimName: string) => [{ name: 'root', persistentVolumeClaim: { claimName } }];
const machineOf = (claimName: string): VirtualMachine => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachine',
  metadata: { name: 'vm', namespace: 'default' },
  spec: {
    runStrategy: 'Always',
    updateVolumesStrategy: 'Migration',
    template: {
      spec: {
        domain: {
          memory: { guest: '32Mi' },
          machine: { type: 'pc' },
          devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] },
        },
        terminationGracePeriodSeconds: 0,
        volumes: volumes(claimName),
      },
    },
  },
});

/** As a binder leaves it: a volume of a node's own pool can be reached from there only. */
function claim(host: AgentHost, name: string, kind: Kind, node: string, image?: string): KubeObject[] {
  const isShared = kind === 'to another node';
  const objects = boundClaim(host, name, {
    node,
    size: '32Mi',
    accessModes: [isShared ? 'ReadWriteMany' : 'ReadWriteOnce'],
    ...(image === undefined ? { source: 'blank' } : { source: 'registry', endpoint: image }),
  });
  const matchExpressions = [{ key: names.hostnameLabel, operator: 'In', values: [node] }];
  const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions }] } };
  return objects.map((object) =>
    object.kind === 'PersistentVolume' && !isShared
      ? ({ ...object, spec: { ...object.spec, nodeAffinity } } as KubeObject)
      : object,
  );
}

async function createScene(kind: Kind): Promise<Scene> {
  const owned = new AsyncDisposableStack();
  const host = owned.use(createAgentHost());
  owned.use(host.signMigrations());
  const guest = kind === 'to another node' ? { pagesPerBeat: 64, beatsPerWrite: 50 } : { ballastBytes: 16 * MIB };
  await offerBootImage(host, 32 * MIB, guest);
  const { client } = host;
  const running = await startControllers(
    { client, clusterName: 'test', kubevirtCa: { certPem: '', keyPem: '' }, log: silentLogger },
    [scheduling, ...virtControllers],
  );
  owned.defer(() => running.stop());
  for (const node of ['n1', 'n2']) {
    const agent = await host.start(node);
    owned.defer(() => agent.stop());
  }
  const until: Scene['until'] = async (what, probe) => waitFor(probe, { ...patience, what });
  await until('the KubeVirt object', () => client.get<KubeVirt>(kubeVirts, names.kubeVirtName, names.installNamespace));
  const patch = {
    spec: { workloadUpdateStrategy: { workloadUpdateMethods: [] }, configuration: { migrations: SLOW[kind] } },
  };
  await client.patch(kubeVirts, names.kubeVirtName, names.installNamespace, { type: 'merge', patch });
  host.seed(...claim(host, 'old', kind, 'n1', 'example.org/boot'));
  return {
    host,
    vmi: () => client.get<VirtualMachineInstance>(virtualMachineInstances, 'vm', 'default'),
    until,
    async patchMachine(change) {
      await client.patch(virtualMachines, 'vm', 'default', { type: 'merge', patch: change });
    },
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync();
    },
  };
}

/** The console of the guest once it writes. */
async function guestRuns(scene: Scene, not = ''): Promise<{ uid: string; serial: ReturnType<typeof watchSerial> }> {
  const vmi = await scene.until('the guest to run', async () => {
    const found = await scene.vmi();
    return found?.status?.phase === 'Running' && found.metadata.uid !== not && found;
  });
  const { items } = await scene.host.client.list<Pod>(pods, { namespace: 'default' });
  const pod = items.find(
    ({ status, metadata }) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined,
  );
  const serial = watchSerial(join(scene.host.root, `r-${vmi.status?.nodeName}`, pod?.metadata.uid ?? ''));
  await serial.past('W', serial.highest('W') + 5, 30_000);
  return { uid: vmi.metadata.uid, serial };
}

/** Begins a move and resolves in its middle. */
async function beginMove(scene: Scene, kind: Kind): Promise<void> {
  const { host } = scene;
  if (kind !== 'to another node') {
    host.seed(...claim(host, 'new', kind, kind === 'in place' ? 'n1' : 'n2'));
    await scene.patchMachine({ spec: { template: { spec: { volumes: volumes('new') } } } });
    await scene.until('the volume change to be announced', async () =>
      isTrue((await scene.vmi())?.status?.conditions, 'VolumesChange'),
    );
  } else
    await scene.until('a guest that can be moved', async () =>
      isTrue((await scene.vmi())?.status?.conditions, 'LiveMigratable'),
    );
  await host.client.create<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'm1', namespace: 'default' },
    spec: { vmiName: 'vm' },
  });
  const stage = kind === 'to another node' ? 'CopyingMemory' : 'CopyingDisks';
  await scene.until('the middle of the move', async () => {
    const progress = (await migration(scene))?.status?.progress;
    return progress?.stage === stage && progress.bytesDone > 0;
  });
}

const migration = ({ host }: Scene) =>
  host.client.get<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, 'm1', 'default');

/** The migration has ended with a reason. */
async function expectEnded(scene: Scene): Promise<void> {
  const ended = await scene.until('the move to end', async () => {
    const found = await migration(scene);
    return found?.status?.phase === 'Failed' && found;
  });
  const condition = findCondition(ended.status?.conditions, 'migrationFailed');
  expect(condition?.reason).toMatch(/^VMI/);
  expect(condition?.message).toBeTruthy();
}

async function expectNothingLeft(scene: Scene): Promise<void> {
  const left = async () => ({
    qemus: qemusBelow(scene.host.root).length,
    pods: (await scene.host.client.list(pods)).items.length,
    vmi: (await scene.vmi()) === undefined ? 0 : 1,
  });
  await scene.until('nothing to be left', async () => JSON.stringify(await left()) === '{"qemus":0,"pods":0,"vmi":0}');
}

async function expectSound(scene: Scene, kind: Kind, acknowledged: number): Promise<void> {
  const pool = kind === 'to another node' ? scene.host.shared : join(scene.host.nodeDirectory('n1'), 'volumes');
  const check = await checkBootSectorDisk(join(pool, 'pv-old', 'disk.img'), acknowledged);
  expect(acknowledged).toBeGreaterThan(0);
  expect(check).toMatchObject({ missing: [], corrupt: [] });
}

describe.each(KINDS)('in the middle of a move %s', (kind) => {
  it('the VM is stopped: nothing runs, nothing is lost, and it starts again [SLM 5.1 #14]', async () => {
    await using scene = await createScene(kind);
    await scene.host.client.create(virtualMachines, machineOf('old'));
    using guest = (await guestRuns(scene)).serial;
    await beginMove(scene, kind);
    await scene.patchMachine({ spec: { runStrategy: 'Halted' } });
    await expectEnded(scene);
    await expectNothingLeft(scene);
    const machine = await scene.host.client.get<VirtualMachine>(virtualMachines, 'vm', 'default');
    expect(machine?.status?.lastVolumes?.['root']).toBe('old');
    await expectSound(scene, kind, guest.highest('W'));
    await scene.patchMachine({ spec: { template: { spec: { volumes: volumes('old') } } } });
    await scene.patchMachine({ spec: { runStrategy: 'Always' } });
    using again = (await guestRuns(scene)).serial;
    expect(again.highest('E')).toBe(0);
    expect(qemusBelow(scene.host.root)).toHaveLength(1);
  });

  it('the VM is deleted: nothing runs, nothing is lost, and another one starts on its volume', async () => {
    await using scene = await createScene(kind);
    await scene.host.client.create(virtualMachines, machineOf('old'));
    using guest = (await guestRuns(scene)).serial;
    await beginMove(scene, kind);
    await scene.host.client.delete(virtualMachines, 'vm', 'default');
    await expectEnded(scene);
    await expectNothingLeft(scene);
    await scene.until(
      'the VM to be gone',
      async () => (await scene.host.client.get(virtualMachines, 'vm', 'default')) === undefined,
    );
    await expectSound(scene, kind, guest.highest('W'));
    await scene.host.client.create(virtualMachines, machineOf('old'));
    using again = (await guestRuns(scene)).serial;
    expect(again.highest('E')).toBe(0);
  });

  it('its VMI is deleted: its VM starts anew on what it wrote last [SLM 5.3 #44]', async () => {
    await using scene = await createScene(kind);
    await scene.host.client.create(virtualMachines, machineOf('old'));
    const { uid, serial } = await guestRuns(scene);
    using guest = serial;
    await beginMove(scene, kind);
    await scene.host.client.delete(virtualMachineInstances, 'vm', 'default');
    await expectEnded(scene);
    using again = (await guestRuns(scene, uid)).serial;
    expect(again.highest('E')).toBe(0);
    expect(guest.highest('W')).toBeGreaterThan(0);
    await scene.until('one QEMU', async () => qemusBelow(scene.host.root).length === 1);
    const open = (await scene.vmi())?.status?.volumeStatus?.find(({ name }) => name === 'root');
    expect(open?.persistentVolumeClaimInfo?.claimName).toBe('old');
  });
});
