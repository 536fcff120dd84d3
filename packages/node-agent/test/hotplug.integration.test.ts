import { execFileSync, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { names, resources } from '@godwit/api';
import type { KubeEvent, VirtualMachineInstance, VmiMigrationState, Volume } from '@godwit/api';
import type { VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { connectQmp } from '@godwit/qmp';
import { checkBootSectorDisk, watchSerial } from '@godwit/hypervisor/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { createTargetPod, offerBootImage, runDirectoryOf, vmiOf, vmiWhen } from './moving-guest.ts';
import type { Vmi } from './moving-guest.ts';
import type { NodeAgent } from '../src/index.ts';

const MIB = 2 ** 20;
const patience = { timeoutMs: 90_000 };
type Status = NonNullable<NonNullable<VirtualMachineInstance['status']>['volumeStatus']>[number];

let host: AgentHost;
let signer: Disposable;
let agents: Record<string, NodeAgent>;

beforeEach(async () => {
  host = createAgentHost();
  signer = host.signMigrations();
  await offerBootImage(host, 8 * MIB, { ballastBytes: 4 * MIB });
  agents = { n1: await host.start('n1') };
  claim('root');
  await scheduleGuest(host, 'vm', 'root');
  await until('the guest to run', (vmi) => vmi.status?.phase === 'Running');
});

afterEach(async () => {
  for (const agent of Object.values(agents)) await agent.stop();
  signer[Symbol.dispose]();
  host[Symbol.dispose]();
});

/** A claim with an image that has something in it, or with an empty one. */
function claim(name: string, node = 'n1', empty = false, mode: 'Filesystem' | 'Block' = 'Filesystem'): void {
  const filled = { source: 'registry', endpoint: 'example.org/boot' };
  host.seed(...boundClaim(host, name, { node, size: '8Mi', mode, ...(empty ? { source: 'blank' } : filled) }));
}

const vmiNow = () => vmiOf(host);
const until = (what: string, holds: (vmi: Vmi) => boolean) => vmiWhen(host, what, holds, patience.timeoutMs);

const statusOf = (vmi: Vmi, volume: string): Status | undefined =>
  vmi.status?.volumeStatus?.find(({ name }) => name === volume);
const patchVmi = (patch: object): Promise<unknown> =>
  host.client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch });
const imageOf = (node: string, claimName: string): string =>
  join(host.nodeDirectory(node), 'volumes', `pv-${claimName}`, 'disk.img');

const hot = (claimName: string): Volume => ({
  name: 'data',
  persistentVolumeClaim: { claimName, hotpluggable: true },
});

/** What the controllers make of `addvolume` and `removevolume`. */
async function setVolumes(root: string, ...more: Volume[]): Promise<void> {
  const disks = [
    { name: 'rootdisk', disk: { bus: 'virtio' } },
    ...more.map(({ name }) => ({ name, disk: {}, serial: 'hot' })),
  ];
  const volumes = [{ name: 'rootdisk', persistentVolumeClaim: { claimName: root } }, ...more];
  await patchVmi({ spec: { volumes, domain: { devices: { disks } } } });
}

const runDirectory = (node: string, name: string) => runDirectoryOf(host, node, name);

/** The SCSI disks that QEMU shows its guest. */
async function scsiDisks(directory: string): Promise<string[]> {
  const observer = await connectQmp({ path: join(directory, 'observe.sock') });
  try {
    const tree = await observer.execute('human-monitor-command', { 'command-line': 'info qtree' });
    return [...tree.matchAll(/scsi-hd, id "disk-([\w-]+)"/g)].map((match) => match[1] ?? '');
  } finally {
    observer.close();
  }
}

async function move(state: VmiMigrationState, claims: Record<string, [from: string, to: string]>): Promise<Vmi> {
  const vmim = await host.client.create<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { generateName: 'move-', namespace: 'default' },
    spec: { vmiName: 'vm' },
  });
  const listed = Object.entries(claims).map(([volumeName, [from, to]]) => ({
    volumeName,
    sourcePVCInfo: { claimName: from },
    destinationPVCInfo: { claimName: to },
  }));
  const vmi = await vmiNow();
  const volumes = vmi.spec.volumes?.map((volume): Volume => {
    const to = claims[volume.name]?.[1];
    const { persistentVolumeClaim: had } = volume;
    return to === undefined || !had ? volume : { ...volume, persistentVolumeClaim: { ...had, claimName: to } };
  });
  const record = { migrationUid: vmim.metadata.uid, migrationConfiguration: {}, volumes: listed, ...state };
  await patchVmi({
    metadata: { labels: { [names.migrationTargetNodeLabel]: state.targetNode } },
    spec: { volumes },
    status: { migratedVolumes: listed, migrationState: { ...cleared(vmi), ...record } },
  });
  const is = (one: Vmi): boolean => one.status?.migrationState?.migrationUid === vmim.metadata.uid;
  return until('the move to end', (one) => is(one) && one.status?.migrationState?.completed === true);
}

/** A merge patch would leave what an earlier move has said. */
function cleared({ status }: Vmi): Record<string, null> {
  return Object.fromEntries(Object.keys(status?.migrationState ?? {}).map((key) => [key, null]));
}

describe('a volume that comes while the guest runs', () => {
  it('is there once its claim is, stays when the agent dies, and goes when it is not wanted any more', async () => {
    const directory = await runDirectory('n1', 'virt-launcher-vm');
    using serial = watchSerial(directory);
    await setVolumes('root', hot('data'));
    const pending = await until('the volume to wait', (vmi) => statusOf(vmi, 'data') !== undefined);
    expect(statusOf(pending, 'data')).toMatchObject({ phase: 'Pending', reason: 'ClaimNotFound', target: '' });
    claim('data');
    const ready = await until('the volume', (vmi) => statusOf(vmi, 'data')?.phase === 'Ready');
    expect(statusOf(ready, 'data')).toMatchObject({
      target: 'sda',
      size: 8 * MIB,
      reason: 'VolumeReady',
      persistentVolumeClaimInfo: { claimName: 'data' },
      hotplugVolume: { attachPodName: 'virt-launcher-vm' },
    });
    expect(await scsiDisks(directory)).toEqual(['data']);

    await agents['n1']?.stop();
    agents['n1'] = await host.start('n1');
    await serial.past('W', serial.highest('W') + 5);
    expect(await scsiDisks(directory)).toEqual(['data']);

    await setVolumes('root');
    await until('the volume to go', (vmi) => statusOf(vmi, 'data') === undefined);
    expect(await scsiDisks(directory)).toEqual([]);
    // Nobody has it open.
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write 0 512', imageOf('n1', 'data')]);
    await serial.past('W', serial.highest('W') + 5);
    const { items } = await host.client.list<KubeEvent>(resources.events);
    expect(items.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['VolumeReady', 'VolumeUnplugged']));
  });

  it('says what keeps it away, and comes when that is over', async () => {
    claim('data');
    await waitFor(
      () =>
        readFile(imageOf('n1', 'data')).then(
          ({ length }) => length === 8 * MIB,
          () => false,
        ),
      { ...patience, what: 'the claim to be filled' },
    );
    // Somebody else writes to it.
    const holder = spawn('qemu-io', ['-f', 'raw', imageOf('n1', 'data')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    await setVolumes('root', hot('data'));
    const held = await until('the trouble', (vmi) => statusOf(vmi, 'data')?.reason === 'FailedAttachVolume');
    expect(statusOf(held, 'data')).toMatchObject({ phase: 'Bound', message: expect.stringMatching(/lock/i) });
    holder.stdin.end('quit\n');
    await until('the volume', (vmi) => statusOf(vmi, 'data')?.phase === 'Ready');
  });

  it('moves together with the root disk, from files and devices to files and devices [SLM 5.1 #18]', async () => {
    claim('data');
    using serial = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    // A disk that comes while the BIOS still looks for one to boot from may be that.
    await serial.past('W', 5);
    await setVolumes('root', hot('data'));
    await until('the volume', (vmi) => statusOf(vmi, 'data')?.phase === 'Ready');
    const written = await readFile(imageOf('n1', 'data'));
    const record = { sourceNode: 'n1', sourcePod: 'virt-launcher-vm', targetNode: 'n1', targetPod: 'virt-launcher-vm' };
    let [root, data] = ['root', 'data'];
    for (const [index, mode] of (['Filesystem', 'Block', 'Block', 'Filesystem'] as const).entries()) {
      const next = { root: `root-${index}`, data: `data-${index}` };
      for (const name of Object.values(next)) claim(name, 'n1', true, mode);
      const moved = await move(
        { ...record, method: 'InPlace' },
        { rootdisk: [root, next.root], data: [data, next.data] },
      );
      expect(moved.status?.migrationState?.failureReason).toBeUndefined();
      const pathOf = (name: string): string =>
        mode === 'Block' ? join(host.nodeDirectory('n1'), 'volumes', `pv-${name}`) : imageOf('n1', name);
      expect(await readFile(pathOf(next.data))).toEqual(written);
      const acknowledged = serial.highest('W');
      await serial.past('W', acknowledged + 5);
      expect(await checkBootSectorDisk(pathOf(next.root), acknowledged)).toMatchObject({ missing: [], corrupt: [] });
      [root, data] = [next.root, next.data];
    }
  });

  it('moves with the guest, then in place, and goes there', async () => {
    agents['n2'] = await host.start('n2');
    claim('data');
    const source = await runDirectory('n1', 'virt-launcher-vm');
    using before = watchSerial(source);
    await setVolumes('root', hot('data'));
    await until('the volume', (vmi) => statusOf(vmi, 'data')?.phase === 'Ready');
    claim('root-2', 'n2', true);
    claim('data-2', 'n2', true);
    await createTargetPod(host, 'n2');
    const away = await move(
      { sourceNode: 'n1', sourcePod: 'virt-launcher-vm', targetNode: 'n2', targetPod: 'virt-launcher-vm-2' },
      { rootdisk: ['root', 'root-2'], data: ['data', 'data-2'] },
    );
    expect(away.status?.migrationState?.failureReason).toBeUndefined();
    const directory = await runDirectory('n2', 'virt-launcher-vm-2');
    using after = watchSerial(directory);
    await after.past('W', before.highest('W') + 5);
    expect(await scsiDisks(directory)).toEqual(['data']);
    expect(await readFile(imageOf('n2', 'data-2'))).toEqual(await readFile(imageOf('n1', 'data')));
    await waitFor(() => qemusBelow(host.root).length === 1, { ...patience, what: 'only one QEMU to be left' });
    const there = (vmi: Vmi): boolean => statusOf(vmi, 'data')?.hotplugVolume?.attachPodName === 'virt-launcher-vm-2';
    expect(statusOf(await until('the new pod', there), 'data')?.phase).toBe('Ready');

    claim('data-3', 'n2', true);
    const place = { sourceNode: 'n2', sourcePod: 'virt-launcher-vm-2', targetNode: 'n2' };
    const inPlace = await move(
      { ...place, targetPod: 'virt-launcher-vm-2', method: 'InPlace' },
      { data: ['data-2', 'data-3'] },
    );
    expect(inPlace.status?.migrationState?.failureReason).toBeUndefined();
    expect(await readFile(imageOf('n2', 'data-3'))).toEqual(await readFile(imageOf('n1', 'data')));

    await setVolumes('root-2');
    await until('the volume to go', (vmi) => statusOf(vmi, 'data') === undefined);
    expect(await scsiDisks(directory)).toEqual([]);
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write 0 512', imageOf('n2', 'data-3')]);
    const acknowledged = after.highest('W');
    await after.past('W', acknowledged + 5);
    const check = await checkBootSectorDisk(imageOf('n2', 'root-2'), acknowledged);
    expect(check).toMatchObject({ missing: [], corrupt: [] });
  });
});
