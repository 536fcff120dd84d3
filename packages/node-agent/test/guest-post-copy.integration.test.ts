import { join } from 'node:path';
import { names, resources } from '@godwit/api';
import type { VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { checkBootSectorDisk, hostHasPostCopy, NEEDS_POST_COPY, watchSerial } from '@godwit/hypervisor/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { createTargetPod, offerBootImage, podOf, runDirectoryOf, vmiWhen } from './moving-guest.ts';
import type { Vmi } from './moving-guest.ts';
import type { NodeAgent } from '../src/index.ts';

const MIB = 2 ** 20;
const patience = { timeoutMs: 60_000 };

let host: AgentHost;
let signer: Disposable;
let agents: NodeAgent[];

describe.skipIf(!hostHasPostCopy())(`a guest that goes to the other node by post-copy (${NEEDS_POST_COPY})`, () => {
  beforeEach(async () => {
    host = createAgentHost();
    signer = host.signMigrations();
    await offerBootImage(host, 32 * MIB, { pagesPerBeat: 64, beatsPerWrite: 20 });
    agents = [await host.start('n1'), await host.start('n2')];
    const accessModes: 'ReadWriteMany'[] = ['ReadWriteMany'];
    const filled = { source: 'registry', endpoint: 'example.org/boot', size: '32Mi' } as const;
    host.seed(...boundClaim(host, 'disk', { accessModes, ...filled }));
    await scheduleGuest(host, 'vm', 'disk');
    await until('the guest to run', ({ status }) => status?.phase === 'Running');
  });

  afterEach(async () => {
    for (const agent of agents) await agent.stop();
    signer[Symbol.dispose]();
    host[Symbol.dispose]();
  });

  it('says so while it does, and has moved when all of its memory is there', async () => {
    await handOff('512Ki');
    const { status } = await until('the move to end', (vmi) => vmi.status?.migrationState?.completed === true);
    expect(status).toMatchObject({ nodeName: 'n2', phase: 'Running', migrationState: { mode: 'PostCopy' } });
    expect(status?.migrationState?.failed).toBeUndefined();
    await podIs('virt-launcher-vm', 'Succeeded');
    await podIs('virt-launcher-vm-2', 'Running');
    expect(qemusBelow(host.root)).toHaveLength(1);
    using serial = watchSerial(await runDirectory('n2', 'virt-launcher-vm-2'));
    await serial.past('W', serial.highest('W') + 5);
  });

  it('is dead when it loses its source in the middle: both pods fail, the reason is told, no write is lost', async () => {
    using before = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    const [source] = qemusBelow(host.root);
    await handOff('64Ki');
    await until('post-copy', ({ status }) => status?.migrationState?.mode === 'PostCopy');
    using after = watchSerial(await runDirectory('n2', 'virt-launcher-vm-2'));
    await after.past('H', 0);
    if (source === undefined) throw new Error('No QEMU runs');
    process.kill(source, 'SIGKILL');
    const { status } = await until('the end', (vmi) => vmi.status?.migrationState?.failed === true);
    expect(status?.migrationState).toMatchObject({
      failureReason: expect.stringContaining('died in post-copy'),
      mode: 'PostCopy',
    });
    expect(status?.migrationState?.settledOn).toBeUndefined();
    await podIs('virt-launcher-vm', 'Failed');
    await podIs('virt-launcher-vm-2', 'Failed');
    expect(qemusBelow(host.root)).toEqual([]);
    const acknowledged = Math.max(before.highest('W'), after.highest('W'));
    const check = await checkBootSectorDisk(join(host.shared, 'pv-disk', 'disk.img'), acknowledged);
    expect(check).toMatchObject({ missing: [], corrupt: [] });
  });

  it('ends on both nodes, and says why, when its VMI is deleted meanwhile', async () => {
    using before = watchSerial(await runDirectory('n1', 'virt-launcher-vm'));
    await handOff('64Ki');
    await until('post-copy', ({ status }) => status?.migrationState?.mode === 'PostCopy');
    using after = watchSerial(await runDirectory('n2', 'virt-launcher-vm-2'));
    await after.past('H', 0);
    // The controllers keep the VMI until its pods are gone.
    const finalizers = { metadata: { finalizers: ['test/keep'] } };
    const { client } = host;
    await client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch: finalizers });
    await client.delete(resources.virtualMachineInstances, 'vm', 'default');
    for (const name of ['virt-launcher-vm', 'virt-launcher-vm-2']) await client.delete(resources.pods, name, 'default');
    const { status } = await until('the end', (vmi) => vmi.status?.migrationState?.failed === true);
    expect(status?.migrationState?.failureReason).toContain('its VMI was deleted');
    for (const name of ['virt-launcher-vm', 'virt-launcher-vm-2'])
      await waitFor(async () => (await pod(name)) === undefined, { ...patience, what: `${name} to be gone` });
    expect(qemusBelow(host.root)).toEqual([]);
    const acknowledged = Math.max(before.highest('W'), after.highest('W'));
    const check = await checkBootSectorDisk(join(host.shared, 'pv-disk', 'disk.img'), acknowledged);
    expect(check).toMatchObject({ missing: [], corrupt: [] });
  });
});

const until = (what: string, holds: (vmi: Vmi) => boolean) => vmiWhen(host, what, holds, patience.timeoutMs);

const pod = (name: string) => podOf(host, name);
const runDirectory = (node: string, name: string) => runDirectoryOf(host, node, name);
const podIs = (name: string, phase: string) =>
  waitFor(async () => (await pod(name))?.status?.phase === phase, { ...patience, what: `${name} to be ${phase}` });

/** What the controllers do: a target pod, and a record whose policy makes every guest late at once. */
async function handOff(bandwidthPerMigration: string): Promise<void> {
  await createTargetPod(host, 'n2');
  const vmim = await host.client.create<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'move', namespace: 'default' },
    spec: { vmiName: 'vm' },
  });
  const patch = {
    metadata: { labels: { [names.migrationTargetNodeLabel]: 'n2' } },
    status: {
      migrationState: {
        migrationUid: vmim.metadata.uid,
        sourceNode: 'n1',
        sourcePod: 'virt-launcher-vm',
        targetNode: 'n2',
        targetPod: 'virt-launcher-vm-2',
        migrationConfiguration: {
          bandwidthPerMigration,
          maxDowntimeMs: 1,
          completionTimeoutPerGiB: 1,
          allowPostCopy: true,
        },
      },
    },
  };
  await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch });
}
