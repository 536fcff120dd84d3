import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { names, resources } from '@godwit/api';
import type { Node, VirtualMachineInstanceMigration } from '@godwit/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import { eventually } from './support/eventually.ts';
import { expectAlive, expectCleanDisk, instanceOf, nodeOf } from './support/guest.ts';
import { useGuest } from './support/setup.ts';
import { shared } from './support/storage.ts';
import { godwit, run, said } from './support/tools.ts';
import type { Finished } from './support/tools.ts';

describe('kubectl drain of the node of a guest', () => {
  const subject = useGuest(shared);
  /** kubectl's own files. */
  let tools: string;
  beforeAll(async () => {
    tools = await mkdtemp(join(tmpdir(), 'godwit-e2e-tools-'));
  });
  afterAll(() => rm(tools, { recursive: true, force: true }));

  async function kubectl(...parameters: readonly string[]): Promise<Finished> {
    const { directory } = subject().pair;
    const env = {
      KUBECONFIG: (await godwit(directory, 'kubeconfig')).stdout.trim(),
      KUBECACHEDIR: join(tools, 'cache'),
    };
    const finished = await run('kubectl', ['--context', 'alpha', ...parameters], { env });
    expect(finished.status, `kubectl ${parameters.join(' ')}: ${said(finished)}`).toBe(0);
    return finished;
  }
  const drain = (node: string): Promise<Finished> =>
    kubectl('drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=240s');

  it('moves the guest, which does not notice, and ends once the node is empty and cordoned [SLM 5.3 #51 #52 #53]', async () => {
    const guest = subject();
    const { client } = guest.at.cluster;
    const from = await nodeOf(guest);
    await drain(from);
    const vmi = await eventually('the guest to be settled on the other node', async () => {
      const found = await instanceOf(guest, guest.at);
      const state = found?.status?.migrationState;
      const conditions = found?.status?.conditions ?? [];
      const asked = conditions.some(({ type }) => type === 'EvictionRequested');
      return found?.status?.nodeName !== from && state?.completed === true && !asked && found;
    });
    expect(vmi.status).toMatchObject({ phase: 'Running', migrationState: { completed: true, sourceNode: from } });
    expect(vmi.status?.evacuationNodeName).toBeUndefined();
    await expectAlive(guest);
    const { items } = await client.list<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
      namespace,
    });
    expect(items.map(({ metadata, spec }) => [metadata.name.replace(/.{5}$/, ''), spec.priority])).toEqual([
      ['kubevirt-evacuation-', 'system-critical'],
    ]);
    const node = await client.get<Node>(resources.nodes, from);
    expect(node?.spec?.unschedulable).toBe(true);
    await kubectl('uncordon', from);
  });

  it('shuts the guest down when the eviction strategy is None, and loses no write [SLM 5.3 #51 #52]', async () => {
    const guest = subject();
    const { client } = guest.at.cluster;
    const patch = { spec: { configuration: { evictionStrategy: 'None' } } };
    await client.patch(resources.kubeVirts, names.kubeVirtName, names.installNamespace, { type: 'merge', patch });
    // What has ended well stays off.
    const stay = { spec: { runStrategy: 'RerunOnFailure' } };
    await client.patch(resources.virtualMachines, guest.guest.name, namespace, { type: 'merge', patch: stay });
    await drain(await nodeOf(guest));
    await eventually('the guest to be off', async () => {
      const phase = (await instanceOf(guest, guest.at))?.status?.phase;
      return phase === 'Succeeded' || phase === undefined;
    });
    await expectCleanDisk(guest);
    expect(guest.oracle.log.summary().bootIds).toHaveLength(1);
  });
});
