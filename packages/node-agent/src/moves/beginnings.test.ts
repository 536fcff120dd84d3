import { findCondition, resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance, VmiMigrationState } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { apiError, KubeUnreachableError } from '@godwit/kube-client';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it } from 'vitest';
import { createBeginnings } from './beginnings.ts';
import type { Beginnings } from './beginnings.ts';

const record: VmiMigrationState = { migrationUid: 'm', sourceNode: 'n1', targetNode: 'n2' };
const broken = new Error('EISDIR: illegal operation on a directory');

interface Rig {
  readonly beginnings: Beginnings;
  readonly now: () => Promise<Stored<VirtualMachineInstance>>;
  readonly told: () => Promise<string | undefined>;
}

function rig(nodeName: string, state = record): Rig {
  const kube = createMemoryKube();
  kube.seed({
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns' },
    spec: { domain: { devices: {} } },
    status: { migrationState: state },
  } as VirtualMachineInstance);
  const now = async () => {
    const vmi = await kube.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'vm', 'ns');
    if (vmi === undefined) throw new Error('The VMI is gone');
    return vmi;
  };
  const told = async () => findCondition((await now()).status?.conditions, 'MigrationHindered')?.message;
  return { beginnings: createBeginnings(kube.client, nodeName, systemClock), now, told };
}

it('what keeps a node from beginning is told while it tries again, and is in the reason of the end', async () => {
  const { beginnings, now, told } = rig('n1');
  expect(beginnings.withCause(await now(), 'aborted')).toBe('aborted');
  await beginnings.failed(await now(), 'in-place', broken);
  expect(await told()).toContain('Node n1 cannot begin the migration, and tries again: EISDIR');
  expect(beginnings.withCause(await now(), 'aborted')).toContain('aborted; node n1 could not begin it: EISDIR');
  const vmi = await now();
  const next = { ...vmi, status: { migrationState: { ...record, migrationUid: 'another' } } };
  expect(beginnings.withCause(next, 'aborted')).toBe('aborted');
});

it('of a VMI that is gone nothing is kept', async () => {
  const { beginnings, now } = rig('n1');
  const vmi = await now();
  await beginnings.failed(vmi, 'source', broken);
  beginnings.gone({ namespace: 'ns', name: 'another' });
  expect(beginnings.withCause(vmi, 'aborted')).toContain('EISDIR');
  beginnings.gone({ namespace: 'ns', name: 'vm' });
  expect(beginnings.withCause(vmi, 'aborted')).toBe('aborted');
});

it('a server that cannot be reached, or somebody else who wrote first, are no news', async () => {
  const { beginnings, now, told } = rig('n1');
  await beginnings.failed(await now(), 'source', new KubeUnreachableError('refused', { method: 'GET', path: '/' }));
  await beginnings.failed(await now(), 'source', apiError('PATCH', '/', 409, undefined, 'it has changed'));
  expect(await told()).toBeUndefined();
  expect(beginnings.withCause(await now(), 'aborted')).toBe('aborted');
});

it.each([
  ['n1', 'source', 'n1'],
  ['n2', 'target', 'n2'],
] as const)('node %s takes back what it said as the %s, no other does', async (nodeName, role, own) => {
  const { beginnings, now, told } = rig(nodeName);
  await beginnings.failed(await now(), role, broken);
  const other = createBeginnings({} as never, own === 'n1' ? 'n2' : 'n1', systemClock);
  await other.over(await now());
  expect(await told()).toContain('EISDIR');
  await beginnings.over(await now());
  expect(await told()).toBeUndefined();
  expect(beginnings.withCause(await now(), 'aborted')).toBe('aborted');
});

it('nothing is told of a record that is over', async () => {
  const { beginnings, now, told } = rig('n1', { ...record, completed: true, failed: true });
  await beginnings.failed(await now(), 'source', broken);
  expect(await told()).toBeUndefined();
});
