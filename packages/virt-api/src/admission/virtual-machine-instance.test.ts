import type { AdmissionRequest, ObjectReader, UserInfo } from '@godwit/api-server';
import type { VirtualMachineInstance } from '@godwit/api';
import { resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { controllersUser } from '../users.ts';
import { virtualMachineInstanceAdmission } from './virtual-machine-instance.ts';

const user = (username: string, ...groups: string[]): UserInfo => ({ username, groups });
const editor = user('eve', 'system:authenticated');
const admin = user('kubernetes-admin', 'system:masters');
const controllers = user(controllersUser, 'system:masters');
const node1 = user('system:node:node1', 'system:nodes');
const node2 = user('system:node:node2', 'system:nodes');

function vmi(status: VirtualMachineInstance['status']): VirtualMachineInstance {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns' },
    spec: { domain: { devices: {} } },
    ...(status && { status }),
  };
}

function update(
  by: UserInfo,
  from: VirtualMachineInstance['status'],
  to: VirtualMachineInstance['status'],
): () => void {
  // The casts are safe: the plug-in reads these members only.
  const request = {
    operation: 'UPDATE',
    resource: resources.virtualMachineInstances,
    subresource: '',
    name: 'vm',
    namespace: 'ns',
    user: by,
    object: vmi(to),
    oldObject: vmi(from),
  } as unknown as AdmissionRequest;
  return () => void virtualMachineInstanceAdmission.validate?.(request, {} as ObjectReader);
}

describe('writing the status of a VMI', () => {
  const running = { phase: 'Running', nodeName: 'node1' } as const;
  const steered = { ...running, migrationState: { failed: true, completed: true } };

  it('is not for those who may edit VMIs: it says who runs the guest', () => {
    expect(update(editor, running, steered)).toThrow(/status/);
    expect(update(editor, running, { ...running, phase: 'Failed' })).toThrow(/status/);
    expect(update(editor, running, running)).not.toThrow();
  });

  it.each([
    ['the controllers', controllers],
    ['administrators', admin],
    ['the agent of its node', node1],
  ])('is for %s', (_, by) => expect(update(by, running, steered)).not.toThrow());

  it('is not for the agent of another node, also when it claims the guest', () => {
    expect(update(node2, running, steered)).toThrow(/does not run there/);
    expect(update(node2, running, { ...running, nodeName: 'node2' })).toThrow(/does not run there/);
    expect(update(node2, { phase: 'Scheduled' }, { ...running, nodeName: 'node2' })).not.toThrow();
  });

  it('is for the target of a closed migration: it may know where the data of the guest are', () => {
    const closed = { migrationUid: 'm', targetNode: 'node2', failed: true, completed: true };
    const told = { ...running, migrationState: { ...closed, settledOn: 'source' as const } };
    expect(update(node2, { ...running, migrationState: closed }, told)).not.toThrow();
    expect(update(node2, running, told)).toThrow(/does not run there/);
  });
});

describe('writing the spec of a VMI [SLM 2.2, 6.4 #2]', () => {
  const on = (claimName: string): VirtualMachineInstance['spec'] => ({
    domain: { devices: {} },
    volumes: [
      { name: 'root', persistentVolumeClaim: { claimName } },
      { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
    ],
  });
  const announced: VirtualMachineInstance['status'] = { phase: 'Running', migratedVolumes: [{ volumeName: 'root' }] };

  function change(
    by: UserInfo,
    status: VirtualMachineInstance['status'],
    to: VirtualMachineInstance['spec'],
  ): () => void {
    const old = { ...vmi(status), spec: on('old') };
    // The casts are safe: the plug-in reads these members only.
    const request = {
      operation: 'UPDATE',
      resource: resources.virtualMachineInstances,
      subresource: '',
      name: 'vm',
      namespace: 'ns',
      user: by,
      object: { ...old, spec: to },
      oldObject: old,
    } as unknown as AdmissionRequest;
    return () => void virtualMachineInstanceAdmission.validate?.(request, {} as ObjectReader);
  }

  it('is for the controllers, and a volume is re-pointed only after that was announced', () => {
    expect(change(controllers, announced, on('new'))).not.toThrow();
    expect(change(controllers, { phase: 'Running' }, on('new'))).toThrow(/not named in status.migratedVolumes/);
    const other = on('old');
    other.volumes?.splice(1, 1, { name: 'data', persistentVolumeClaim: { claimName: 'data-new' } });
    expect(change(controllers, announced, other)).toThrow(/data changed/);
  });

  it.each([
    ['users', editor],
    ['administrators', admin],
    ['agents', node1],
  ])('is not for %s', (_, by) => expect(change(by, announced, on('new'))).toThrow(/restricted/));

  it('keeps the number of volumes that do not come and go', () => {
    const fewer = on('old');
    fewer.volumes?.pop();
    expect(change(controllers, announced, fewer)).toThrow(/number of permanent volumes/);
  });
});

it.each([
  'kubevirt.io/created-by',
  'kubevirt.io/migrationJobUID',
  'kubevirt.io/nodeName',
  'kubevirt.io/migrationTargetNodeName',
  'kubevirt.io/schedulable',
  'kubevirt.io/install-strategy',
])('label %s of a VMI is not for users [SLM 1.9]', (label) => {
  const labelled = (by: UserInfo, key: string) => {
    const old = vmi({ phase: 'Running' });
    const request = {
      operation: 'UPDATE',
      resource: resources.virtualMachineInstances,
      subresource: '',
      name: 'vm',
      namespace: 'ns',
      user: by,
      object: { ...old, metadata: { ...old.metadata, labels: { [key]: 'x' } } },
      oldObject: old,
    } as unknown as AdmissionRequest;
    return () => void virtualMachineInstanceAdmission.validate?.(request, {} as ObjectReader);
  };
  expect(labelled(editor, label)).toThrow(/may not be changed/);
  expect(labelled(controllers, label)).not.toThrow();
  expect(labelled(editor, 'app')).not.toThrow();
});
