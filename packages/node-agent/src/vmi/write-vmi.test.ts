import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { resources } from '@godwit/api';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { describe, expect, it } from 'vitest';
import { changeVmi, vmiPatch } from './write-vmi.ts';

const vmi: Stored<VirtualMachineInstance> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstance',
  metadata: {
    name: 'a',
    namespace: 'ns',
    uid: 'u',
    resourceVersion: '7',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { 'kubevirt.io/nodeName': 'n1' },
  },
  spec: { domain: { devices: {} } },
  status: { phase: 'Running', nodeName: 'n1', migratedVolumes: [] },
};

describe('writing a VMI', () => {
  it('says nothing when nothing changes', () => {
    expect(
      vmiPatch(vmi, { status: { phase: 'Running' }, labels: { 'kubevirt.io/nodeName': 'n1', other: undefined } }),
    ).toEqual([]);
  });

  it('touches what changes, of exactly the version that was seen', () => {
    const change = { status: { nodeName: 'n2', migratedVolumes: undefined }, labels: { 'kubevirt.io/nodeName': 'n2' } };
    expect(vmiPatch(vmi, change)).toEqual([
      { op: 'test', path: '/metadata/resourceVersion', value: '7' },
      { op: 'add', path: '/status/nodeName', value: 'n2' },
      { op: 'remove', path: '/status/migratedVolumes' },
      { op: 'add', path: '/metadata/labels/kubevirt.io~1nodeName', value: 'n2' },
    ]);
  });

  it('starts over from what somebody else wrote in between', async () => {
    const kube = createMemoryKube();
    kube.seed(vmi);
    const key = { namespace: 'ns', name: 'a', uid: 'u' };
    const stale = await kube.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'a', 'ns');
    const patch = { status: { evacuationNodeName: 'n1' } };
    await kube.client.patch(resources.virtualMachineInstances, 'a', 'ns', { type: 'merge', patch });
    const seen: (string | undefined)[] = [];
    const written = await changeVmi(
      kube.client,
      key,
      (current) => {
        seen.push(current.status?.evacuationNodeName);
        return { status: { nodeName: 'n2' } };
      },
      stale,
    );
    expect(seen).toEqual([undefined, 'n1']);
    expect(written?.status).toMatchObject({ nodeName: 'n2', evacuationNodeName: 'n1' });
    expect(
      await changeVmi(kube.client, { ...key, uid: 'another' }, () => ({ status: { nodeName: 'n3' } })),
    ).toBeUndefined();
  });
});
