import type { Disk, KubeObject, VirtualMachine, VirtualMachineInstance, Volume } from '@godwit/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestCluster } from '../../api-server/test/support/cluster.ts';
import { createVm, createVmi, deleteAll, migrations, readVmi, SUBRESOURCES, verb } from './kubevirt-server.ts';
import { startKubeVirtServer } from './kubevirt-server.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());
afterEach(() => deleteAll(cluster));

const KUBEVIRT = '/apis/kubevirt.io/v1/namespaces/default';
const root: Volume = { name: 'root', persistentVolumeClaim: { claimName: 'root' } };
const hot: Volume = { name: 'hot', persistentVolumeClaim: { claimName: 'hot-claim', hotpluggable: true } };
const rootDisk: Disk = { name: 'root', disk: { bus: 'virtio' } };
const hotDisk: Disk = { name: 'hot', disk: { bus: 'scsi' } };

function spec(devices: object = {}) {
  const domain = { memory: { guest: '64Mi' }, devices: { disks: [rootDisk, hotDisk], ...devices } };
  return { domain, volumes: [root, hot] };
}

/** As virtctl asks for it. */
const added = (name: string, more: object = {}) => ({
  name,
  disk: { name: '', disk: { bus: 'scsi' }, serial: name },
  volumeSource: { dataVolume: { name } },
  ...more,
});

async function readVm(): Promise<VirtualMachine> {
  return (await cluster.call('GET', `${KUBEVIRT}/virtualmachines/vm`)).body as VirtualMachine;
}

async function vmAndVmi(status: VirtualMachineInstance['status'] = {}, devices: object = {}): Promise<void> {
  await createVm(cluster, 'vm', { template: { spec: spec(devices) } });
  await createVmi(cluster, 'vm', status, spec(devices));
}

async function migrating(): Promise<void> {
  const body: KubeObject & { spec: { vmiName: string } } = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'move' },
    spec: { vmiName: 'vm' },
  };
  expect((await cluster.call('POST', migrations, { body })).code).toBe(201);
}

const kinds = ['virtualmachines', 'virtualmachineinstances'] as const;
const specIn = async (kind: (typeof kinds)[number]) =>
  kind === 'virtualmachines' ? (await readVm()).spec.template.spec : (await readVmi(cluster, 'vm')).spec;

describe.each(kinds)('volumes that come and go by verbs of %s', (kind) => {
  it('come with their disk, hotpluggable, and go', async () => {
    await vmAndVmi();
    const reply = await verb(cluster, kind, 'vm/addvolume', added('data'));
    expect([reply.code, reply.text]).toEqual([202, '']);
    const after = await specIn(kind);
    expect(after.volumes).toEqual([root, hot, { name: 'data', dataVolume: { name: 'data', hotpluggable: true } }]);
    expect(after.domain.devices.disks?.at(-1)).toEqual({ name: 'data', disk: { bus: 'scsi' }, serial: 'data' });

    expect((await verb(cluster, kind, 'vm/removevolume', { name: 'data' })).code).toBe(202);
    // By the name of its claim.
    expect((await verb(cluster, kind, 'vm/removevolume', { name: 'hot-claim' })).code).toBe(202);
    const last = await specIn(kind);
    expect([last.volumes, last.domain.devices.disks]).toEqual([[root], [rootDisk]]);
  });

  it('only rehearse when asked to', async () => {
    await vmAndVmi();
    const dryRun = { dryRun: ['All'] };
    expect((await verb(cluster, kind, 'vm/addvolume', added('data', dryRun))).code).toBe(202);
    expect((await verb(cluster, kind, 'vm/removevolume', { name: 'hot', ...dryRun })).code).toBe(202);
    expect((await specIn(kind)).volumes).toEqual([root, hot]);
  });

  it.each<[string, string, object, number, RegExp]>([
    ['without a name', 'addvolume', added(''), 400, /requires name/],
    ['without a disk', 'addvolume', { ...added('data'), disk: undefined }, 400, /requires disk/],
    ['without a source', 'addvolume', { ...added('data'), volumeSource: undefined }, 400, /requires VolumeSource/],
    ['with an empty source', 'addvolume', { ...added('data'), volumeSource: {} }, 400, /persistentVolumeClaim/],
    ['whose name is taken', 'addvolume', added('hot'), 409, /volume with that name already exists/],
    [
      'whose claim is taken',
      'addvolume',
      added('root', { name: 'x' }),
      409,
      /source \[root\] because it already exists/,
    ],
    ['on another bus', 'addvolume', added('data', { disk: { disk: { bus: 'virtio' } } }), 422, /virtio.*scsi/],
    ['as a LUN', 'addvolume', added('data', { disk: { lun: {} } }), 422, /LUN/],
    ['without a name', 'removevolume', {}, 400, /requires name/],
    ['that is not there', 'removevolume', { name: 'nope' }, 409, /does not exist/],
    ['that is permanent', 'removevolume', { name: 'root' }, 409, /not hotpluggable/],
  ])('are refused %s: %s', async (_, what, options, code, text) => {
    await vmAndVmi();
    const reply = await verb(cluster, kind, `vm/${what}`, options);
    expect(reply.code, reply.text).toBe(code);
    expect((reply.body as { message: string }).message).toMatch(text);
    expect((await specIn(kind)).volumes).toEqual([root, hot]);
  });

  it('are refused while the guest is moved, with the migration in the reason', async () => {
    await vmAndVmi();
    await migrating();
    for (const [what, options] of [
      ['addvolume', added('data')],
      ['removevolume', { name: 'hot' }],
    ] as const) {
      const reply = await verb(cluster, kind, `vm/${what}`, options);
      expect([reply.code, reply.text]).toEqual([409, expect.stringMatching(/migration is in progress.*move/)]);
    }
  });

  it('do not come back before they are gone', async () => {
    const volumeStatus = [{ name: 'data', target: 'sdb', phase: 'Detaching', hotplugVolume: {} }];
    await vmAndVmi({ volumeStatus });
    const reply = await verb(cluster, kind, 'vm/addvolume', added('data'));
    expect([reply.code, reply.text]).toEqual([409, expect.stringContaining('still losing')]);
  });

  it('are refused to a guest without the controller for them', async () => {
    await vmAndVmi({}, { disableHotplug: true });
    const reply = await verb(cluster, kind, 'vm/addvolume', added('data'));
    expect([reply.code, reply.text]).toEqual([409, expect.stringContaining('disableHotplug')]);
  });

  it('need somebody to come to', async () => {
    expect((await verb(cluster, kind, 'nobody/addvolume', added('data'))).code).toBe(404);
    expect((await verb(cluster, kind, 'nobody/removevolume', { name: 'data' })).code).toBe(404);
  });
});

describe('a stopped VM', () => {
  it('gets and loses volumes for its next start', async () => {
    await createVm(cluster, 'vm', { runStrategy: 'Halted', template: { spec: spec() } });
    expect((await verb(cluster, 'virtualmachines', 'vm/addvolume', added('data'))).code).toBe(202);
    expect((await verb(cluster, 'virtualmachines', 'vm/removevolume', { name: 'hot' })).code).toBe(202);
    expect((await readVm()).spec.template.spec.volumes?.map(({ name }) => name)).toEqual(['root', 'data']);
    expect((await verb(cluster, 'virtualmachineinstances', 'vm/addvolume', added('data'))).code).toBe(404);
  });
});

describe('a guest that does not run', () => {
  it('gets and loses none', async () => {
    await vmAndVmi({ phase: 'Scheduled' });
    for (const what of ['addvolume', 'removevolume']) {
      const reply = await verb(cluster, 'virtualmachineinstances', `vm/${what}`, added('data'));
      expect([reply.code, reply.text]).toEqual([409, expect.stringContaining('not running')]);
    }
  });
});

it('is told by discovery', async () => {
  const { body } = await cluster.call('GET', SUBRESOURCES.replace('/namespaces/default', ''));
  const served = (body as { resources: { name: string }[] }).resources.map(({ name }) => name);
  for (const kind of kinds)
    expect(served).toEqual(expect.arrayContaining([`${kind}/addvolume`, `${kind}/removevolume`]));
});
