import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findCondition, names, resources } from '@godwit/api';
import type { KubeEvent, VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { connectQmp } from '@godwit/qmp';
import { checkBootSectorDisk, watchSerial } from '@godwit/hypervisor/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { createTargetPod, handOff, offerBootImage, podOf, runDirectoryOf, vmiWhen } from './moving-guest.ts';
import type { Vmi } from './moving-guest.ts';
import { scrape, valueOf } from './scrape.ts';
import type { NodeAgent } from '../src/index.ts';

const MIB = 2 ** 20;
const patience = { timeoutMs: 60_000 };

let host: AgentHost;
let signer: Disposable;
let agents: Record<string, NodeAgent>;

beforeEach(async () => {
  host = createAgentHost();
  signer = host.signMigrations();
  await offerBootImage(host, 32 * MIB, { ballastBytes: 16 * MIB });
  agents = { n1: await host.start('n1'), n2: await host.start('n2') };
  host.seed(...boundClaim(host, 'old', { source: 'registry', endpoint: 'example.org/boot', size: '32Mi' }));
  await scheduleGuest(host, 'vm', 'old');
  await until('the guest to run', (vmi) => vmi.status?.phase === 'Running');
});

afterEach(async () => {
  for (const agent of Object.values(agents)) await agent.stop();
  signer[Symbol.dispose]();
  host[Symbol.dispose]();
});

const until = (what: string, holds: (vmi: Vmi) => boolean) => vmiWhen(host, what, holds, patience.timeoutMs);

const pod = (name: string) => podOf(host, name);
const migration = () =>
  host.client.get<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, 'move', 'default');
const imageOf = (node: string, claim: string): string =>
  join(host.nodeDirectory(node), 'volumes', `pv-${claim}`, 'disk.img');
const runDirectory = (node: string, name: string) => runDirectoryOf(host, node, name);

const targetPod = () => createTargetPod(host, 'n2');

/** Asks the QEMU of a pod what its own agent does not ask. */
async function execute(node: string, podName: string, command: 'stop' | 'cont' | 'query-status'): Promise<unknown> {
  const observer = await connectQmp({ path: join(await runDirectory(node, podName), 'observe.sock') });
  try {
    return await observer.execute(command);
  } finally {
    observer.close();
  }
}

async function isRefused(port: string): Promise<boolean> {
  const socket = connect(Number(port), '127.0.0.1');
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

const toOtherNode: VmiMigrationState = { targetNode: 'n2', targetPod: 'virt-launcher-vm-2' };
const over = (vmi: Vmi): boolean => vmi.status?.migrationState?.completed === true;

describe('moving the volumes of a running guest in place', () => {
  it('pivots to the new claim and leaves the guest running', async () => {
    host.seed(...boundClaim(host, 'new', { source: 'blank', size: '48Mi' }));
    using serial = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await serial.past('W', 5);
    const [pid] = qemusBelow(host.root);
    await handOff(
      host,
      { method: 'InPlace', targetNode: 'n1', targetPod: 'virt-launcher-vm' },
      { from: 'old', to: 'new' },
      'n1',
    );
    const vmi = await until('the move to end', over);
    expect(vmi.status?.migrationState).toMatchObject({ completed: true, mode: 'PreCopy' });
    expect(vmi.status?.migrationState?.failed).toBeUndefined();
    expect(vmi.status?.migratedVolumes).toBeUndefined();
    expect(findCondition(vmi.status?.conditions, 'VolumesChange')).toBeUndefined();
    expect(vmi.metadata.labels?.[names.migrationTargetNodeLabel]).toBeUndefined();
    expect(qemusBelow(host.root)).toEqual([pid]);
    const acknowledged = serial.highest('W');
    await serial.past('W', acknowledged + 5);
    const check = await checkBootSectorDisk(imageOf('n1', 'new'), acknowledged);
    expect(check.missing).toEqual([]);
    expect(check.corrupt).toEqual([]);
    expect(await told('Normal', 'Migrated')).toContain('volumes');
    // The last figures are there before anybody is told the end, and they are those of what was written.
    const done = (await migration())?.status?.progress;
    expect(done).toMatchObject({ stage: 'Done', bytesTotal: done?.bytesDone });
    expect(done?.downtimeMs).toBeGreaterThanOrEqual(0);
    expect(done?.bytesTransferred).toBeGreaterThanOrEqual(16 * MIB);
    expect(done?.bytesTransferred).toBeLessThan(24 * MIB);
  });

  it('says in the migration and in an event that both volumes are identical, where that is asked for', async () => {
    host.seed(...boundClaim(host, 'new', { source: 'blank', size: '48Mi' }));
    using serial = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await serial.past('W', 5);
    const record: VmiMigrationState = { method: 'InPlace', targetNode: 'n1', targetPod: 'virt-launcher-vm' };
    await handOff(host, record, { from: 'old', to: 'new' }, 'n1', { [names.verifyAnnotation]: 'true' });
    const vmi = await until('the move to end', over);
    expect(vmi.status?.migrationState?.failed).toBeUndefined();
    await serial.past('W', serial.highest('W') + 5);
    const verified = async () => (await migration())?.status?.verification;
    await waitFor(async () => (await verified()) !== undefined, { ...patience, what: 'the verification' });
    expect(await verified()).toMatchObject({ result: 'Identical', volumes: [{ name: 'rootdisk', bytes: 32 * MIB }] });
    expect(await told('Normal', 'MigrationVerified')).toContain('rootdisk Identical');
  });

  it('refuses a claim that is too small, with numbers, and the guest runs on', async () => {
    host.seed(...boundClaim(host, 'small', { source: 'blank', size: '16Mi' }));
    await handOff(
      host,
      { method: 'InPlace', targetNode: 'n1', targetPod: 'virt-launcher-vm' },
      { from: 'old', to: 'small' },
      'n1',
    );
    const { status } = await until('the refusal', over);
    expect(status?.migrationState?.failed).toBe(true);
    expect(status?.migrationState?.failureReason).toContain(String(32 * MIB));
    expect(qemusBelow(host.root)).toHaveLength(1);
  });
});

describe('moving a running guest to the other node', () => {
  it('copies the disk, loses no write, and flips the VMI [SLM 5.3 #29]', async () => {
    host.seed(...boundClaim(host, 'new', { node: 'n2', source: 'blank', size: '32Mi' }));
    using before = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await before.past('W', 5);
    await targetPod();
    await handOff(host, toOtherNode, { from: 'old', to: 'new' });
    const vmi = await until('the move to end', over);
    expect(vmi.status).toMatchObject({ nodeName: 'n2', phase: 'Running' });
    expect(vmi.status?.migrationState?.failed).toBeUndefined();
    expect(vmi.status?.migrationState?.targetNodeDomainReadyTimestamp).toBeDefined();
    expect(vmi.metadata.labels?.[names.nodeNameLabel]).toBe('n2');
    using after = watchSerial(await runDirectory('n2', 'virt-launcher-vm-2'));
    await after.past('H', before.highest('H'));
    await waitFor(async () => (await pod('virt-launcher-vm'))?.status?.phase === 'Succeeded', {
      ...patience,
      what: 'the source pod to end',
    });
    await waitFor(async () => (await pod('virt-launcher-vm-2'))?.status?.phase === 'Running', {
      ...patience,
      what: 'the target pod to run',
    });
    expect(qemusBelow(host.root)).toHaveLength(1);
    expect(await told('Normal', 'Migrated')).toContain('node n2');
    // Nothing of the migration is left to ask for: neither port nor certificates.
    const ports = Object.keys(vmi.status?.migrationState?.targetDirectMigrationNodePorts ?? {});
    expect(ports).toHaveLength(3);
    await waitFor(async () => (await Promise.all(ports.map(isRefused))).every(Boolean), {
      ...patience,
      what: 'the ports of the target to be closed',
    });
    const figures = (await migration())?.status?.progress;
    expect(figures?.stage).toBe('Done');
    expect(figures?.downtimeMs).toBeGreaterThan(0);
    const acknowledged = Math.max(before.highest('W'), after.highest('W'));
    const check = await checkBootSectorDisk(imageOf('n2', 'new'), acknowledged);
    expect(check).toMatchObject({ missing: [], corrupt: [] });
  });

  it('takes a guest that somebody has paused along as it is, and it goes on where it was [SLM 5.3 #47]', async () => {
    host.seed(...boundClaim(host, 'new', { node: 'n2', source: 'blank', size: '32Mi' }));
    using before = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await before.past('W', 5);
    await execute('n1', 'virt-launcher-vm', 'stop');
    await targetPod();
    await handOff(host, toOtherNode, { from: 'old', to: 'new' });
    const { status } = await until('the move to end', over);
    expect(status).toMatchObject({ nodeName: 'n2', migrationState: { completed: true } });
    expect(status?.migrationState?.failed).toBeUndefined();
    await until(
      'the guest to be told paused',
      (vmi) => findCondition(vmi.status?.conditions, 'Paused')?.reason === 'PausedByUser',
    );
    expect(await execute('n2', 'virt-launcher-vm-2', 'query-status')).toMatchObject({ status: 'paused' });
    await execute('n2', 'virt-launcher-vm-2', 'cont');
    using after = watchSerial(await runDirectory('n2', 'virt-launcher-vm-2'));
    await after.past('W', before.highest('W') + 5);
    const check = await checkBootSectorDisk(imageOf('n2', 'new'), after.highest('W'));
    expect(check).toMatchObject({ missing: [], corrupt: [] });
  });

  it('leaves a guest that somebody has paused paused when it cannot move [SLM 5.3 #47]', async () => {
    host.seed(...boundClaim(host, 'new', { node: 'n2', source: 'blank', size: '32Mi' }));
    await execute('n1', 'virt-launcher-vm', 'stop');
    await targetPod();
    await handOff(
      host,
      { ...toOtherNode, migrationConfiguration: { bandwidthPerMigration: '1Mi' } },
      { from: 'old', to: 'new' },
    );
    await until('the copy to begin', (vmi) => vmi.status?.migrationState?.startTimestamp !== undefined);
    await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', {
      type: 'merge',
      patch: { status: { migrationState: { abortRequested: true } } },
    });
    const { status } = await until('the move to end', over);
    expect(status?.migrationState).toMatchObject({ failed: true, settledOn: 'source' });
    expect(await execute('n1', 'virt-launcher-vm', 'query-status')).toMatchObject({ status: 'paused' });
    await execute('n1', 'virt-launcher-vm', 'cont');
    using serial = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await serial.past('W', serial.highest('W') + 5);
  });

  it('survives the death of both agents in the middle, and still ends one way or the other', async () => {
    host.seed(...boundClaim(host, 'new', { node: 'n2', source: 'blank', size: '32Mi' }));
    using before = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await before.past('W', 5);
    await targetPod();
    await handOff(
      host,
      { ...toOtherNode, migrationConfiguration: { bandwidthPerMigration: '4Mi' } },
      { from: 'old', to: 'new' },
    );
    await until('the copy to begin', (vmi) => vmi.status?.migrationState?.startTimestamp !== undefined);
    for (const node of ['n1', 'n2']) {
      await agents[node]?.stop();
      agents[node] = await host.start(node);
    }
    const vmi = await until('the move to end', over);
    const arrived = vmi.status?.migrationState?.failed !== true;
    expect(vmi.status?.nodeName).toBe(arrived ? 'n2' : 'n1');
    await waitFor(() => qemusBelow(host.root).length === 1, { ...patience, what: 'only one QEMU to be left' });
    using guest = watchSerial(
      await runDirectory(arrived ? 'n2' : 'n1', arrived ? 'virt-launcher-vm-2' : 'virt-launcher-vm'),
    );
    await guest.past('H', before.highest('H'));
    const image = arrived ? imageOf('n2', 'new') : imageOf('n1', 'old');
    expect(await checkBootSectorDisk(image, before.highest('W'))).toMatchObject({ missing: [], corrupt: [] });
  });

  it('ends with the guest on the source when the user aborts [SLM 5.3 #42]', async () => {
    host.seed(...boundClaim(host, 'new', { node: 'n2', source: 'blank', size: '32Mi' }));
    await targetPod();
    await handOff(
      host,
      // Longer than this test looks at it.
      { ...toOtherNode, migrationConfiguration: { bandwidthPerMigration: '512Ki' } },
      { from: 'old', to: 'new' },
    );
    await until('the copy to begin', (vmi) => vmi.status?.migrationState?.startTimestamp !== undefined);
    await expectFiguresOfCopy();
    const patch = { status: { migrationState: { abortRequested: true } } };
    await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch });
    const { status } = await until('the abort', over);
    expect(status?.migrationState).toMatchObject({ failed: true, abortStatus: 'Succeeded' });
    expect(status?.nodeName).toBe('n1');
    await waitFor(() => qemusBelow(host.root).length === 1, { ...patience, what: 'the target QEMU to go' });
    using serial = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await serial.past('H', serial.highest('H') + 10);
    await told('Normal', 'PreparingTarget');
    await told('Normal', 'Migrating');
    expect(await told('Warning', 'Migrated')).toContain('migration failed');
    const after = await scrape(host, 'n1');
    expect(after.join('\n')).not.toContain('name="vm"');
    expect(valueOf(after, 'godwit_node_migrations_finished_total{node="n1",outcome="aborted"}')).toBe(1);
  });
});

/** What `/metrics` of the source tells of a copy of disks that goes on [SLM 62]. */
async function expectFiguresOfCopy(): Promise<void> {
  const of = '{namespace="default",name="vm",node="n1"}';
  const lines = await waitFor(
    async () => {
      const found = await scrape(host, 'n1');
      const moving = ['disk_transfer_rate_bytes', 'data_processed_bytes'].every(
        (name) => (valueOf(found, `kubevirt_vmi_migration_${name}${of}`) ?? 0) > 0,
      );
      return moving ? found : undefined;
    },
    { ...patience, what: 'metrics of bytes that travel' },
  );
  const value = (name: string): number | undefined => valueOf(lines, `${name}${of}`);
  const total = value('kubevirt_vmi_migration_data_bytes_total') ?? 0;
  const processed = value('kubevirt_vmi_migration_data_processed_bytes') ?? 0;
  expect(total).toBeGreaterThanOrEqual(16 * MIB);
  expect(value('kubevirt_vmi_migration_data_remaining_bytes')).toBe(total - processed);
  expect(value('kubevirt_vmi_migration_memory_transfer_rate_bytes')).toBe(0);
  const root = '{namespace="default",name="vm",node="n1",volume="rootdisk"}';
  expect(valueOf(lines, `godwit_vmi_migration_volume_total_bytes${root}`)).toBeGreaterThanOrEqual(16 * MIB);
  expect(valueOf(lines, `godwit_vmi_migration_volume_done_bytes${root}`)).toBeGreaterThan(0);
  expect(valueOf(lines, 'godwit_node_migrations_running{node="n1",role="source"}')).toBe(1);
  expect(valueOf(await scrape(host, 'n2'), 'godwit_node_migrations_running{node="n2",role="target"}')).toBe(1);
}

/** Waits for an event about the VMI, and answers what it says. */
async function told(type: string, reason: string): Promise<string> {
  const found = await waitFor(
    async () =>
      (await host.client.list<KubeEvent>(resources.events)).items.find(
        (one) => one.reason === reason && one.type === type && one.involvedObject.name === 'vm',
      ),
    { ...patience, what: `event ${reason}` },
  );
  return found?.message ?? '';
}

it('an agent starts though a QEMU of its node hangs, and has it back when it answers', async () => {
  await agents['n1']?.stop();
  const [pid = 0] = qemusBelow(host.root);
  process.kill(pid, 'SIGSTOP');
  try {
    agents = { ...agents, n1: await host.start('n1') };
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  expect(qemusBelow(host.root)).toEqual([pid]);
  process.kill(pid, 'SIGKILL');
  await waitFor(async () => (await pod('virt-launcher-vm'))?.status?.phase === 'Failed', {
    ...patience,
    what: 'the pod of the QEMU that was killed to fail',
  });
});
