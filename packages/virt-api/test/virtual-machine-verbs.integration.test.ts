import { names, resources } from '@godwit/api';
import type { Condition, KubeObject, RunStrategy, VirtualMachineInstance } from '@godwit/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Reply, TestCluster } from '../../api-server/test/support/cluster.ts';
import { createVm, createVmi, deleteAll, migrations, startKubeVirtServer, verb } from './kubevirt-server.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());
afterEach(() => deleteAll(cluster));

type Status = VirtualMachineInstance['status'] | 'absent';
const running: Status = {};
const recovery: Condition = { type: 'ManualRecoveryRequired', status: 'True' };
const changing: Condition = { type: 'VolumesChange', status: 'True' };

describe('verbs of a VM', () => {
  it.each<[string, string, RunStrategy, Status, Condition[], number]>([
    ['start', 'that is off', 'Halted', 'absent', [], 202],
    ['start', 'that is off and started by hand', 'Manual', 'absent', [], 202],
    ['start', 'that needs manual recovery [SLM 5.1 #14]', 'Halted', 'absent', [recovery], 409],
    [
      'start',
      'that needs manual recovery, its guest having ended [SLM 5.1 #14]',
      'Manual',
      { phase: 'Failed' },
      [recovery],
      409,
    ],
    ['start', 'that runs', 'Manual', running, [], 409],
    ['start', 'that always runs', 'Always', 'absent', [], 409],
    ['stop', 'that runs', 'Always', running, [], 202],
    ['stop', 'that runs while its volumes change', 'Always', running, [changing], 202],
    ['stop', 'that is off', 'Halted', 'absent', [], 409],
    ['restart', 'that runs', 'Always', running, [], 202],
    ['restart', 'that runs while its volumes change [SLM 5.1 #14]', 'Always', running, [changing], 409],
    ['restart', 'that is off', 'Always', 'absent', [], 409],
    ['migrate', 'that runs', 'Always', running, [], 202],
    ['migrate', 'that has no guest', 'Halted', 'absent', [], 404],
    ['migrate', 'whose guest is starting', 'Always', { phase: 'Scheduled' }, [], 409],
    ['migrate', 'whose guest has ended', 'Manual', { phase: 'Succeeded' }, [], 409],
  ])('%s of one %s', async (what, _, runStrategy, status, conditions, code) => {
    await createVm(cluster, 'vm', { runStrategy }, conditions);
    if (status !== 'absent') await createVmi(cluster, 'vm', status);
    const rehearsed = await verb(cluster, 'virtualmachines', `vm/${what}`, { dryRun: ['All'] });
    const reply = await verb(cluster, 'virtualmachines', `vm/${what}`);
    expect([rehearsed.code, reply.code], reply.text).toEqual([code, code]);
    if (code === 202) expect(reply.text).toBe('');
    else expect(reply.body).toMatchObject({ kind: 'Status', status: 'Failure', code });
  });

  it.each(['start', 'stop', 'restart', 'migrate'])('%s of one that does not exist', async (what) => {
    expect((await verb(cluster, 'virtualmachines', `nobody/${what}`)).code).toBe(404);
  });
});

it.each(['Halted', 'Manual'] as const)('start --paused of a VM with strategy %s', async (runStrategy) => {
  await createVm(cluster, 'vm', { runStrategy });
  expect((await verb(cluster, 'virtualmachines', 'vm/start', { paused: 'yes' })).code).toBe(400);
  expect((await verb(cluster, 'virtualmachines', 'vm/start', { paused: true })).code).toBe(202);
  const { body } = await cluster.call('GET', '/apis/kubevirt.io/v1/namespaces/default/virtualmachines/vm');
  expect(body.spec.runStrategy).toBe(runStrategy === 'Halted' ? 'Always' : runStrategy);
  expect(body.status.stateChangeRequests).toEqual([{ action: 'Start', data: { paused: 'true' } }]);
});

async function listed(query = ''): Promise<KubeObject[]> {
  return ((await cluster.call('GET', `${migrations}${query}`)).body as { items: KubeObject[] }).items;
}

describe('virtctl migrate', () => {
  it('makes a migration with that selector [SLM 5.3 #55]', async () => {
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm');
    const reply = await verb(cluster, 'virtualmachines', 'vm/migrate', { addedNodeSelector: { zone: 'a' } });
    expect([reply.code, reply.text]).toEqual([202, '']);
    expect(await listed()).toMatchObject([
      {
        metadata: {
          name: expect.stringMatching(/^kubevirt-migrate-vm-\w{5}$/) as string,
          labels: { [names.vmiNameLabel]: 'vm' },
          finalizers: [names.migrationFinalizer],
        },
        spec: { vmiName: 'vm', addedNodeSelector: { zone: 'a' } },
      },
    ]);
  });

  it('--dry-run makes none, and is refused where the real one would be [SLM 5.3 #33 #34]', async () => {
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm');
    const rehearse = (): Promise<Reply> => verb(cluster, 'virtualmachines', 'vm/migrate', { dryRun: ['All'] });
    expect((await rehearse()).code).toBe(202);
    expect(await listed()).toEqual([]);
    expect((await verb(cluster, 'virtualmachines', 'vm/migrate')).code).toBe(202);
    const refused = await rehearse();
    expect([refused.code, refused.body]).toMatchObject([
      409,
      { message: expect.stringContaining('in-flight') as string },
    ]);
    await createVm(cluster, 'kept');
    const kept: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable' };
    await createVmi(cluster, 'kept', { conditions: [kept] });
    expect((await verb(cluster, 'virtualmachines', 'kept/migrate', { dryRun: ['All'] })).code).toBe(400);
  });

  it('of a guest that only a move in place can help is let in [SLM 5.3 #34]', async () => {
    const kept: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable' };
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm', { conditions: [kept], migratedVolumes: [{ volumeName: 'root' }] });
    expect((await verb(cluster, 'virtualmachines', 'vm/migrate')).code).toBe(202);
  });

  it('twenty times at once makes one migration [SLM 5.3 #33]', async () => {
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm');
    const replies = await Promise.all(Array.from({ length: 20 }, () => verb(cluster, 'virtualmachines', 'vm/migrate')));
    expect(replies.map(({ code }) => code).toSorted((a, b) => a - b)).toEqual([202, ...Array<number>(19).fill(409)]);
    expect(await listed()).toHaveLength(1);
  });
});

it('of twenty migrations of one guest that are created in the same moment one is let in [SLM 5.3 #33]', async () => {
  await createVmi(cluster, 'vm');
  const one: KubeObject = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { generateName: 'm-', namespace: 'default' },
    spec: { vmiName: 'vm' },
  };
  const user = { username: 'somebody', groups: [] };
  const made = await Promise.allSettled(
    Array.from({ length: 20 }, () =>
      cluster.server.writer.create(resources.virtualMachineInstanceMigrations, structuredClone(one), user),
    ),
  );
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await listed()).toHaveLength(1);
});

describe('virtctl migrate-cancel', () => {
  const accept = { accept: 'application/json, */*' };
  const options = (dryRun?: readonly string[]): object => ({
    kind: 'DeleteOptions',
    apiVersion: 'kubevirt.io/v1',
    ...(dryRun && { dryRun }),
  });

  it('finds the one that is on its way by its label, and deletes it [SLM 5.3 #42 #43]', async () => {
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm');
    await verb(cluster, 'virtualmachines', 'vm/migrate');
    const selector = `?labelSelector=${encodeURIComponent('kubevirt.io/vmi-name==vm')}`;
    const found = (await cluster.call('GET', `${migrations}${selector}`, { headers: accept })).body as {
      kind: string;
      items: KubeObject[];
    };
    expect([found.kind, found.items.length]).toEqual(['VirtualMachineInstanceMigrationList', 1]);
    const path = `${migrations}/${found.items[0]?.metadata.name ?? ''}`;
    const rehearsed = await cluster.call('DELETE', path, { headers: accept, body: options(['All']) });
    expect(rehearsed.code).toBe(200);
    expect((await listed())[0]?.metadata.deletionTimestamp).toBeUndefined();
    expect((await cluster.call('DELETE', path, { headers: accept, body: options() })).code).toBe(200);
    // It goes once the controllers have confirmed that nothing moves any more.
    expect((await listed())[0]?.metadata.deletionTimestamp).toBeDefined();
  });

  it('finds none of another guest', async () => {
    await createVm(cluster, 'vm');
    await createVmi(cluster, 'vm');
    await verb(cluster, 'virtualmachines', 'vm/migrate');
    expect(await listed(`?labelSelector=${encodeURIComponent('kubevirt.io/vmi-name==other')}`)).toEqual([]);
  });
});

it('after a failed verb virtctl compares versions', async () => {
  expect((await cluster.call('GET', '/apis/subresources.kubevirt.io')).body).toMatchObject({
    kind: 'APIGroup',
    preferredVersion: { version: 'v1' },
  });
  expect((await cluster.call('GET', '/apis/subresources.kubevirt.io/v1/version')).body).toMatchObject({ major: '1' });
});
