import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findCondition, isPopulated, names, resources } from '@godwit/api';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
  Volume,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { isConflict } from '@godwit/kube-client';
import { checkBootSectorDisk, watchSerial } from '@godwit/hypervisor/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { createTargetPod, offerBootImage, vmiOf, vmiWhen } from './moving-guest.ts';
import type { Vmi } from './moving-guest.ts';
import type { NodeAgent } from '../src/index.ts';

// Many moves in a row: seconds each on a quiet machine.
vi.setConfig({ testTimeout: 400_000 });
const MIB = 2 ** 20;
/** Of every disk, until one grows. */
const BYTES = 8 * MIB;
const patience = { timeoutMs: 90_000 };
type Mode = 'Filesystem' | 'Block';

/** What a volume can be: the local runtime has no other kinds. */
interface Kind {
  readonly access: 'ReadWriteOnce' | 'ReadWriteMany';
  readonly mode: Mode;
}
const file: Kind = { access: 'ReadWriteOnce', mode: 'Filesystem' };
const device: Kind = { access: 'ReadWriteOnce', mode: 'Block' };
const sharedFile: Kind = { access: 'ReadWriteMany', mode: 'Filesystem' };
const sharedDevice: Kind = { access: 'ReadWriteMany', mode: 'Block' };
const say = ({ access, mode }: Kind): string => `${access} ${mode}`;

let host: AgentHost;
let signer: Disposable;
let agents: NodeAgent[];

beforeEach(async () => {
  host = createAgentHost();
  signer = host.signMigrations();
  await offerBootImage(host, 8 * MIB, { ballastBytes: 4 * MIB });
  agents = [await host.start('n1'), await host.start('n2')];
});

afterEach(async () => {
  for (const agent of agents) await agent.stop();
  signer[Symbol.dispose]();
  host[Symbol.dispose]();
});

const vmiNow = () => vmiOf(host);
const until = (what: string, holds: (vmi: Vmi) => boolean) => vmiWhen(host, what, holds, patience.timeoutMs);

/** Where the guest is and what it has, followed from hop to hop. */
interface Place {
  node: string;
  pod: string;
  kind: Kind;
  claims: Record<string, string>;
  /** Highest write that the guest has told of. */
  written: number;
  hops: number;
}

async function boot(kind: Kind, more: readonly string[] = []): Promise<Place> {
  const claims: Record<string, string> = {};
  for (const volume of ['rootdisk', ...more]) {
    claims[volume] = `${volume}-0`;
    host.seed(
      ...boundClaim(host, `${volume}-0`, {
        source: 'registry',
        endpoint: 'example.org/boot',
        size: '8Mi',
        mode: kind.mode,
        accessModes: [kind.access],
      }),
    );
  }
  await scheduleGuest(host, 'vm', 'rootdisk-0', 'n1', {
    domain: {
      memory: { guest: '32Mi' },
      machine: { type: 'pc' },
      devices: { disks: Object.keys(claims).map((name) => ({ name, disk: { bus: 'virtio' } })) },
    },
    volumes: Object.entries(claims).map(([name, claimName]) => ({ name, persistentVolumeClaim: { claimName } })),
  });
  await until('the guest to run', (vmi) => vmi.status?.phase === 'Running');
  return { node: 'n1', pod: 'virt-launcher-vm', kind, claims, written: 0, hops: 0 };
}

function imageOf(claim: string, kind: Kind, node: string): string {
  const pool = kind.access === 'ReadWriteMany' ? host.shared : join(host.nodeDirectory(node), 'volumes');
  return kind.mode === 'Block' ? join(pool, `pv-${claim}`) : join(pool, `pv-${claim}`, 'disk.img');
}

const allocated = (path: string): number => statSync(path).blocks * 512;

async function serialOf({ node, pod }: Place) {
  const found = await host.client.get<Pod>(resources.pods, pod, 'default');
  return watchSerial(join(host.root, `r-${node}`, found?.metadata.uid ?? ''));
}

/** What the controllers do up to the hand-off. */
async function handOff(
  place: Place,
  to: { node: string; pod: string; claims: Record<string, string>; bandwidth?: string },
): Promise<void> {
  const inPlace = to.node === place.node;
  const vmim = await host.client.create<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: `move-${place.hops}`, namespace: 'default' },
    spec: { vmiName: 'vm' },
  });
  const volumes = Object.entries(to.claims).map(([volumeName, claimName]) => ({
    volumeName,
    sourcePVCInfo: { claimName: place.claims[volumeName] ?? '' },
    destinationPVCInfo: { claimName },
  }));
  // Every other hop names its targets as DataVolumes.
  const named = (claimName: string): Partial<Volume> =>
    place.hops % 2 === 0 ? { persistentVolumeClaim: { claimName } } : { dataVolume: { name: claimName } };
  const state: VmiMigrationState = {
    migrationUid: vmim.metadata.uid,
    sourceNode: place.node,
    sourcePod: place.pod,
    targetNode: to.node,
    targetPod: to.pod,
    migrationConfiguration: to.bandwidth === undefined ? {} : { bandwidthPerMigration: to.bandwidth },
    volumes,
    ...(inPlace && { method: 'InPlace' }),
  };
  // The whole record is a new one; agents write other fields of the object at any time.
  const write = async (): Promise<boolean> => {
    const vmi = await vmiNow();
    try {
      await host.client.update<VirtualMachineInstance>(resources.virtualMachineInstances, {
        ...vmi,
        metadata: { ...vmi.metadata, labels: { ...vmi.metadata.labels, [names.migrationTargetNodeLabel]: to.node } },
        spec: { ...vmi.spec, volumes: Object.entries(to.claims).map(([name, claim]) => ({ name, ...named(claim) })) },
        status: {
          ...vmi.status,
          migratedVolumes: volumes,
          conditions: [...(vmi.status?.conditions ?? []), { type: 'VolumesChange', status: 'True' }],
          migrationState: state,
        },
      });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  };
  await waitFor(write, { ...patience, what: 'the hand-off to be written' });
}

async function populated(claim: string): Promise<void> {
  await waitFor(
    async () => {
      const pvc = await host.client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, claim, 'default');
      return pvc !== undefined && isPopulated(pvc);
    },
    { ...patience, what: `claim ${claim} to be populated` },
  );
}

/** Moves every volume to new claims of a kind, and sees that nothing was lost and nothing but the bytes was copied. */
async function hop(place: Place, kind: Kind, node = place.node, size = '8Mi'): Promise<void> {
  place.hops += 1;
  const claims = Object.fromEntries(Object.keys(place.claims).map((volume) => [volume, `${volume}-${place.hops}`]));
  for (const claim of Object.values(claims))
    host.seed(...boundClaim(host, claim, { node, source: 'blank', size, mode: kind.mode, accessModes: [kind.access] }));
  // As the controllers do: nothing is copied into a claim before its population has ended.
  for (const claim of Object.values(claims)) await populated(claim);
  const pod = node === place.node ? place.pod : `virt-launcher-vm-${place.hops}`;
  if (node !== place.node) await createTargetPod(host, node, pod);
  using before = await serialOf(place);
  await before.past('W', place.written);
  await handOff(place, { node, pod, claims });
  const vmi = await until(
    `hop ${place.hops} to end`,
    ({ status }) =>
      status?.migrationState?.completed === true &&
      (status.migratedVolumes === undefined || status.migrationState.failed === true),
  );
  const what = `${say(place.kind)} on ${place.node} to ${say(kind)} on ${node}`;
  expect(vmi.status?.migrationState?.failureReason, what).toBeUndefined();
  expect(findCondition(vmi.status?.conditions, 'VolumesChange'), what).toBeUndefined();
  expect(vmi.status?.nodeName, what).toBe(node);
  for (const { name, persistentVolumeClaimInfo: info } of vmi.status?.volumeStatus ?? [])
    expect(info?.claimName, what).toBe(claims[name]);
  // What the guest had told of before it moved is on the target, and so is what it writes there.
  const acknowledged = before.highest('W');
  const sources = Object.entries(place.claims).map(([volume, claim]) => ({
    from: imageOf(claim, place.kind, place.node),
    to: imageOf(claims[volume] ?? '', kind, node),
  }));
  Object.assign(place, { node, pod, kind, claims });
  using after = await serialOf(place);
  await after.past('W', acknowledged + 3);
  place.written = after.highest('W');
  expect(await checkBootSectorDisk(sources[0]?.to ?? '', acknowledged), what).toMatchObject({
    missing: [],
    corrupt: [],
  });
  for (const { from, to } of sources.slice(1))
    expect((await readFile(to)).subarray(0, BYTES).equals(await readFile(from)), what).toBe(true);
  // Thin stays thin; what the guest has written since goes on top.
  for (const { from, to } of sources) expect(allocated(to), what).toBeLessThanOrEqual(allocated(from) * 1.02 + MIB);
  await waitFor(() => qemusBelow(host.root).length === 1, { ...patience, what: 'only one QEMU to be left' });
}

describe('any volume to any volume [SLM 5.1 #1, #2, #3, #8, #9]', () => {
  it('in place: every kind to every kind, one guest all the way', async () => {
    const place = await boot(file);
    // A round trip that goes through each of the sixteen pairs once.
    const tour = [
      file,
      device,
      device,
      sharedFile,
      file,
      sharedFile,
      sharedFile,
      sharedDevice,
      file,
      sharedDevice,
      sharedDevice,
      device,
      sharedDevice,
      sharedFile,
      device,
      file,
    ];
    const pairs = new Set<string>();
    for (const kind of tour) {
      pairs.add(`${say(place.kind)} > ${say(kind)}`);
      await hop(place, kind);
    }
    expect(pairs.size).toBe(16);
  });

  it('across nodes: files and devices of the nodes, and to and from shared storage', async () => {
    const place = await boot(file);
    for (const kind of [device, device, file, file, sharedDevice, sharedFile, device])
      await hop(place, kind, place.node === 'n1' ? 'n2' : 'n1');
  });

  it('several volumes in one update, in place, across nodes and to bigger claims', async () => {
    const place = await boot(device, ['data', 'more']);
    await hop(place, sharedFile);
    await hop(place, file, 'n2', '16Mi');
    const sizes = (await vmiNow()).status?.volumeStatus?.map(({ size }) => size);
    expect(sizes).toEqual([8 * MIB, 8 * MIB, 8 * MIB]);
  });
});

describe('where the data of a volume is [SLM H8]', () => {
  it('is told to be the source until the guest has pivoted, and after a cancelled copy', async () => {
    const place = await boot(file);
    host.seed(...boundClaim(host, 'rootdisk-1', { source: 'blank', size: '8Mi' }));
    await populated('rootdisk-1');
    place.hops = 1;
    const claim = (vmi: Vmi): string | undefined => vmi.status?.volumeStatus?.[0]?.persistentVolumeClaimInfo?.claimName;
    // A limit that the copy cannot end within: what is seen meanwhile does not depend on luck.
    await handOff(place, { node: 'n1', pod: place.pod, claims: { rootdisk: 'rootdisk-1' }, bandwidth: '1Ki' });
    const begun = await until('the copy to begin', (vmi) => vmi.status?.migrationState?.startTimestamp !== undefined);
    expect(claim(begun)).toBe('rootdisk-0');
    const abort = { status: { migrationState: { abortRequested: true } } };
    await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch: abort });
    const over = await until('the abort', (vmi) => vmi.status?.migrationState?.completed === true);
    expect(over.status?.migrationState?.failed).toBe(true);
    expect(over.spec.volumes?.[0]?.persistentVolumeClaim?.claimName ?? over.spec.volumes?.[0]?.dataVolume?.name).toBe(
      'rootdisk-1',
    );
    expect(claim(over)).toBe('rootdisk-0');
    const { written } = place;
    using serial = await serialOf(place);
    await serial.past('W', written + 5);
    expect(claim(await vmiNow())).toBe('rootdisk-0');
  });
});

describe('a guest on a claim that is expanded [SLM 5.1 #1, #2]', () => {
  it.each([file, device])(
    'sees the new size, keeps it when it moves on, and is not grown unasked: $mode',
    async (kind) => {
      const place = await boot(kind);
      await hop(place, kind, 'n1', '16Mi');
      const size = (vmi: Vmi): number | undefined => vmi.status?.volumeStatus?.[0]?.size;
      expect(size(await vmiNow())).toBe(8 * MIB);
      // What the binder writes once the agent has made the room.
      const claim = place.claims['rootdisk'] ?? '';
      const capacity = { storage: '24Mi' };
      await host.client.patch(resources.persistentVolumeClaims, claim, 'default', {
        type: 'merge',
        patch: { spec: { resources: { requests: capacity } } },
      });
      await host.client.patch(resources.persistentVolumes, `pv-${claim}`, '', {
        type: 'merge',
        patch: { metadata: { annotations: { 'godwit.dev/expand-to': '24Mi' } } },
      });
      await waitFor(
        async () => {
          const pv = await host.client.get<PersistentVolume>(resources.persistentVolumes, `pv-${claim}`, '');
          return pv?.metadata.annotations?.['godwit.dev/expanded-to'] === '24Mi';
        },
        { ...patience, what: 'the agent to make room' },
      );
      await host.client.patch(resources.persistentVolumes, `pv-${claim}`, '', {
        type: 'merge',
        patch: { metadata: { annotations: { 'godwit.dev/expanded': '24Mi' } }, spec: { capacity } },
      });
      await until('the disk to grow', (vmi) => size(vmi) === 24 * MIB);
      await hop(place, kind, 'n2', '24Mi');
      expect(size(await vmiNow())).toBe(24 * MIB);
      expect(statSync(imageOf(place.claims['rootdisk'] ?? '', kind, 'n2')).size).toBe(24 * MIB);
    },
  );
});
