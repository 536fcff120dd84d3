import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCondition, isTrue, resources } from '@godwit/api';
import type { KubeEvent, Pod, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NodeAgent } from '../src/index.ts';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { handOff, offerBootImage, podOf, vmiWhen } from './moving-guest.ts';

const MIB = 2 ** 20;
const PATIENCE_MS = 60_000;

let host: AgentHost;
let agent: NodeAgent;

beforeEach(async () => {
  host = createAgentHost();
  await offerBootImage(host, 16 * MIB, { ballastBytes: 12 * MIB });
  agent = await host.start('n1');
  host.seed(...boundClaim(host, 'old', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }));
  await scheduleGuest(host, 'vm', 'old');
  await vmiWhen(host, 'the guest to run', ({ status }) => status?.phase === 'Running', PATIENCE_MS);
});

afterEach(async () => {
  await agent.stop();
  host[Symbol.dispose]();
});

const ready = ({ status }: VirtualMachineInstance) => findCondition(status?.conditions, 'Ready');

/** Agent and QEMU: the process is there, and does nothing any more. */
async function stop(): Promise<number> {
  await agent.stop();
  const [pid = 0] = qemusBelow(host.root);
  process.kill(pid, 'SIGSTOP');
  return pid;
}

/** An agent comes back to such a QEMU. */
async function hangs(): Promise<number> {
  const pid = await stop();
  agent = await host.start('n1');
  await vmiWhen(host, 'the VMI to say so', (vmi) => ready(vmi)?.reason === 'GuestNotAnswering', PATIENCE_MS);
  return pid;
}

it('a guest whose QEMU hangs when the agent comes back is named, and is ready again when it answers', async () => {
  const pid = await hangs();
  const said = async () =>
    (await host.client.list<KubeEvent>(resources.events)).items.find(({ reason }) => reason === 'GuestNotAnswering');
  const event = await waitFor(said, { timeoutMs: PATIENCE_MS, what: 'the event' });
  expect(event).toMatchObject({ type: 'Warning', message: expect.stringContaining('n1') });
  process.kill(pid, 'SIGCONT');
  await vmiWhen(host, 'the guest to be ready', ({ status }) => isTrue(status?.conditions, 'Ready'), PATIENCE_MS);
  expect(qemusBelow(host.root)).toEqual([pid]);
});

/** Deletes what is given, and resolves once the guest's pod is gone, with the QEMUs that were there at that moment. */
async function deleted(work: () => Promise<unknown>): Promise<readonly number[]> {
  const uid = (await podOf(host, 'virt-launcher-vm'))?.metadata.uid ?? '';
  const watching = new AbortController();
  const whenGone = new Promise<readonly number[]>((resolve) => {
    host.client.watch<Pod>(resources.pods, {
      signal: watching.signal,
      onEvent({ type, object }) {
        if (type === 'DELETED' && object.metadata.uid === uid) resolve(qemusBelow(host.root));
      },
    });
  });
  await work();
  const left = await whenGone;
  watching.abort();
  expect(existsSync(join(host.nodeDirectory('n1'), 'vms', uid))).toBe(false);
  expect(existsSync(join(host.root, 'r-n1', uid))).toBe(false);
  return left;
}

const deletePod = () => host.client.delete(resources.pods, 'virt-launcher-vm', 'default');

it('a guest whose QEMU hangs when the agent comes back can be deleted: first its QEMU goes, then its pod', async () => {
  await hangs();
  expect(await deleted(deletePod)).toEqual([]);
});

/** A copy in place begins, and takes its time. */
async function startToMove(): Promise<void> {
  host.seed(...boundClaim(host, 'new', { source: 'blank', size: '64Mi' }));
  const inPlace = { method: 'InPlace', targetNode: 'n1', targetPod: 'virt-launcher-vm' } as const;
  const slow = { migrationConfiguration: { bandwidthPerMigration: '1Mi' } };
  await handOff(host, { ...inPlace, ...slow }, { from: 'old', to: 'new' }, 'n1');
  await vmiWhen(
    host,
    'the copy to begin',
    (vmi) => vmi.status?.migrationState?.startTimestamp !== undefined,
    PATIENCE_MS,
  );
}

/** An agent comes back that cannot take up the move. */
async function hindered(): Promise<void> {
  const said = (vmi: VirtualMachineInstance) => isTrue(vmi.status?.conditions, 'MigrationHindered');
  agent = await host.start('n1');
  await vmiWhen(host, 'the VMI to say so', said, PATIENCE_MS);
}

async function deleteInstance(): Promise<void> {
  const finalizers = ['example.org/until-the-pod-is-gone'];
  const held = { type: 'merge', patch: { metadata: { finalizers } } } as const;
  await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', held);
  await host.client.delete(resources.virtualMachineInstances, 'vm', 'default');
  await deletePod();
}

it('so can one that hangs in the middle of a move', async () => {
  await startToMove();
  await stop();
  await hindered();
  expect(await deleted(deleteInstance)).toEqual([]);
});

it('so can one whose move left a journal that cannot be read, which is forgotten with it', async () => {
  await startToMove();
  await agent.stop();
  const journal = join(host.nodeDirectory('n1'), 'journal');
  const [context = ''] = readdirSync(journal).filter((name) => name.endsWith('.context.json'));
  writeFileSync(join(journal, context), '{"identity"');
  await hindered();
  expect(await deleted(deleteInstance)).toEqual([]);
  expect(readdirSync(journal)).toEqual([]);
});
