import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCondition, isTrue, resources } from '@godwit/api';
import type { KubeEvent, Pod, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NodeAgent } from '../src/index.ts';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { offerBootImage, podOf, vmiWhen } from './moving-guest.ts';

const MIB = 2 ** 20;
const PATIENCE_MS = 60_000;

let host: AgentHost;
let agent: NodeAgent;

beforeEach(async () => {
  host = createAgentHost();
  await offerBootImage(host, 4 * MIB);
  agent = await host.start('n1');
  host.seed(...boundClaim(host, 'root', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }));
  await scheduleGuest(host, 'vm', 'root');
  await vmiWhen(host, 'the guest to run', ({ status }) => status?.phase === 'Running', PATIENCE_MS);
});

afterEach(async () => {
  await agent.stop();
  host[Symbol.dispose]();
});

const ready = ({ status }: VirtualMachineInstance) => findCondition(status?.conditions, 'Ready');

/** An agent comes back to a QEMU that does nothing any more. */
async function hangs(): Promise<number> {
  await agent.stop();
  const [pid = 0] = qemusBelow(host.root);
  process.kill(pid, 'SIGSTOP');
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

it('a guest whose QEMU hangs when the agent comes back can be deleted: first its QEMU goes, then its pod', async () => {
  await hangs();
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
  await host.client.delete(resources.pods, 'virt-launcher-vm', 'default');
  expect(await whenGone).toEqual([]);
  watching.abort();
  expect(existsSync(join(host.nodeDirectory('n1'), 'vms', uid))).toBe(false);
  expect(existsSync(join(host.root, 'r-n1', uid))).toBe(false);
});
