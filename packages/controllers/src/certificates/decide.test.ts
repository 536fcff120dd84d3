import type { Stored, VirtualMachineInstance, VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { signingRequest } from '../testing/objects.ts';
import { decideSigning } from './decide.ts';
import type { SigningSeen } from './decide.ts';
import { parseMigrationUri } from './identity.ts';

const CREATED = Date.parse('2026-01-01T00:00:00Z');
const SOON = CREATED + 1_000;
const LATE = CREATED + 31_000;

function asked(role: 'source' | 'target', id = 'uid-m', namespace = 'default', name = 'vm') {
  return parseMigrationUri(`godwit://migration/${id}/vmi/${namespace}/${name}/${role}`);
}
function migration(spec: VirtualMachineInstanceMigration['spec'] = {}, phase?: 'Succeeded') {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'm', namespace: 'default', uid: 'uid-m' },
    spec: { vmiName: 'vm', ...spec },
    status: { phase },
  } as unknown as Stored<VirtualMachineInstanceMigration>;
}
function instance(migrationState: VmiMigrationState | undefined) {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'default', uid: 'uid-vm' },
    spec: { domain: { devices: {} } },
    status: { migrationState },
  } as unknown as Stored<VirtualMachineInstance>;
}
const state = { migrationUid: 'uid-m', sourceNode: 'n1', targetNode: 'n2' };
const local = [{ migration: migration(), instance: instance(state) }];
const receiving = (sourceState: VmiMigrationState['sourceState']) => [
  {
    migration: migration({ receive: { migrationID: 'shared' } }),
    instance: instance({ targetState: { migrationUID: 'uid-m', node: 'n1' }, ...(sourceState ? { sourceState } : {}) }),
  },
];
const base: SigningSeen = { request: signingRequest(), asked: asked('source'), migrations: local };
const server = { usages: ['server auth'] };

describe('a migration certificate', () => {
  const cases: [string, Partial<SigningSeen>, number, string, string?][] = [
    ['goes to the source node', {}, SOON, 'sign'],
    [
      'goes to the target node',
      { request: signingRequest({ ...server, username: 'system:node:n2' }), asked: asked('target') },
      SOON,
      'sign',
    ],
    ['of another signer is not ours', { request: signingRequest({ signerName: 'x/y' }) }, SOON, 'nothing'],
    ['is not for people', { request: signingRequest({ username: 'kubernetes-admin' }) }, SOON, 'deny', 'NotANode'],
    [
      'is not for someone who only calls himself a node',
      { request: signingRequest({ groups: ['system:authenticated'] }) },
      SOON,
      'deny',
      'NotANode',
    ],
    ['must name a migration', { asked: undefined }, SOON, 'deny', 'IdentityInvalid'],
    [
      'has no other use',
      { request: signingRequest({ usages: ['client auth', 'cert sign'] }) },
      SOON,
      'deny',
      'UsageNotAllowed',
    ],
    ['of a target is for a server', { asked: asked('target') }, SOON, 'deny', 'UsageNotAllowed'],
    [
      'waits a moment for the hand-off',
      { migrations: [{ migration: migration(), instance: instance(undefined) }] },
      SOON,
      'wait',
    ],
    [
      'is denied when no hand-off comes',
      { migrations: [{ migration: migration(), instance: instance(undefined) }] },
      LATE,
      'deny',
      'NotEntitled',
    ],
    [
      'is denied to another node at once',
      { request: signingRequest({ username: 'system:node:n3' }) },
      SOON,
      'deny',
      'NotEntitled',
    ],
    [
      'is denied to the other side at once',
      { request: signingRequest({ username: 'system:node:n2' }) },
      SOON,
      'deny',
      'NotEntitled',
    ],
    ['is denied for another VM', { asked: asked('source', 'uid-m', 'default', 'other') }, LATE, 'deny', 'NotEntitled'],
    ['is denied for an unknown migration', { migrations: [] }, LATE, 'deny', 'NotEntitled'],
    [
      'is denied after the migration',
      { migrations: [{ migration: migration({}, 'Succeeded'), instance: instance(state) }] },
      LATE,
      'deny',
      'NotEntitled',
    ],
    [
      'across clusters goes by the shared ID',
      { request: signingRequest(server), asked: asked('target', 'shared'), migrations: receiving(undefined) },
      SOON,
      'sign',
    ],
    [
      'across clusters uses the names of the source',
      {
        request: signingRequest(server),
        asked: asked('target', 'shared', 'far', 'away'),
        migrations: receiving({ domainNamespace: 'far', domainName: 'away' }),
      },
      SOON,
      'sign',
    ],
    [
      'across clusters is not for the other role',
      { asked: asked('source', 'shared'), migrations: receiving(undefined) },
      LATE,
      'deny',
      'NotEntitled',
    ],
    ['that was issued is kept for its hour', { request: signingRequest({}, { certificate: 'x' }) }, SOON, 'wait'],
    [
      'that was issued is then removed',
      { request: signingRequest({}, { certificate: 'x' }) },
      CREATED + 3_700_000,
      'delete',
    ],
  ];
  it.each(cases)('%s', (_, changes, now, verdict, reason) => {
    const plan = decideSigning({ ...base, ...changes }, now);
    expect([plan.do, plan.do === 'deny' ? plan.reason : undefined]).toEqual([verdict, reason]);
  });
});
