import type { PersistentVolume, PersistentVolumeClaim, Stored, VirtualMachineInstance, Volume } from '@godwit/api';
import type { DiskSpec } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import { volumeStatus } from '../vmi/volume-status.ts';
import type { SeenClaim } from './claims.ts';
import { decidePlugs } from './plug-disks.ts';

const created = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
const root: Volume = { name: 'root', persistentVolumeClaim: { claimName: 'root' } };
const hot = (name: string): Volume => ({ name, persistentVolumeClaim: { claimName: name, hotpluggable: true } });

function disk(name: string, bus: DiskSpec['bus'] = 'scsi'): DiskSpec {
  return { name, device: 'disk', bus, readOnly: false, cache: 'none', sizeBytes: 1024 };
}

function vmi(volumes: Volume[], told: string[] = volumes.map(({ name }) => name)): Stored<VirtualMachineInstance> {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns', ...created },
    spec: { domain: { devices: {} }, volumes },
    status: { phase: 'Running', volumeStatus: told.map((name) => ({ name })) },
  };
}

function claim(name: string, phase: 'Bound' | 'Pending' = 'Bound'): SeenClaim {
  const metadata = { name, ...created };
  const pvc: Stored<PersistentVolumeClaim> = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata,
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Ki' } } },
    status: { phase },
  };
  const pv: Stored<PersistentVolume> = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { ...metadata, annotations: { 'godwit.dev/provisioned': 'true', 'godwit.dev/pool': 'shared' } },
    spec: { capacity: { storage: '1Ki' }, accessModes: ['ReadWriteOnce'], local: { path: '/x' } },
  } as Stored<PersistentVolume>;
  return { volume: name, claimName: name, pvc, pv };
}

const rootOnly = [disk('root', 'virtio')];
const withData = [...rootOnly, disk('data')];

describe('disks to attach and to detach', () => {
  it.each<[string, Stored<VirtualMachineInstance>, DiskSpec[], SeenClaim[], string[], string[]]>([
    ['as it should be', vmi([root, hot('data')]), withData, [claim('data')], [], []],
    ['one more', vmi([root, hot('data')]), rootOnly, [claim('data')], ['data'], []],
    ['one less', vmi([root]), withData, [], [], ['data']],
    ['one whose claim is not bound', vmi([root, hot('data')]), rootOnly, [claim('data', 'Pending')], [], []],
    ['one whose claim is unknown', vmi([root, hot('data')]), rootOnly, [{ ...claim('data'), pvc: undefined }], [], []],
    ['one that the status does not name yet', vmi([root, hot('data')], ['root']), rootOnly, [claim('data')], [], []],
    ['a permanent one', vmi([root]), [], [claim('root')], [], []],
    ['before the guest runs', { ...vmi([root, hot('data')]), status: {} }, withData, [claim('data')], [], []],
  ])('%s', (_, instance, disks, claims, attach, detach) =>
    expect(decidePlugs(instance, { disks }, claims, 'n1')).toEqual({ attach, detach }),
  );
});

describe('what is told about volumes that come and go', () => {
  const guest = (instance: Stored<VirtualMachineInstance>, disks: DiskSpec[], claims: SeenClaim[]) => ({
    vmi: instance,
    claims,
    nodeName: 'n1',
    spec: {
      name: 'vm',
      uuid: '',
      machineType: 'q35',
      cpu: { model: 'max', sockets: 1, cores: 1, threads: 1 },
      memoryKiB: 1,
      nics: [],
      rng: false,
      serial: undefined,
      disks,
    },
    runState: 'running' as const,
    pausedByUser: false,
    pod: { name: 'pod', uid: 'pod-uid' },
  });
  const entry = (input: ReturnType<typeof guest> & { troubles?: object[] }) =>
    volumeStatus(input as Parameters<typeof volumeStatus>[0])?.find(({ name }) => name === 'data');
  const wanted = vmi([root, hot('data')]);

  it.each<[string, DiskSpec[], SeenClaim[], object]>([
    ['Pending', rootOnly, [{ ...claim('data'), pvc: undefined }], { reason: 'ClaimNotFound', target: '' }],
    ['Pending', rootOnly, [claim('data', 'Pending')], { reason: 'ClaimNotBound', target: '' }],
    ['Bound', rootOnly, [claim('data')], { reason: 'PVCBound', target: '' }],
    ['Ready', withData, [claim('data')], { reason: 'VolumeReady', target: 'sda', size: 1024 }],
  ])('%s', (phase, disks, claims, more) =>
    expect(entry(guest(wanted, disks, claims))).toMatchObject({
      phase,
      ...more,
      hotplugVolume: { attachPodName: 'pod', attachPodUID: 'pod-uid' },
    }),
  );

  it('why it does not come', () => {
    const troubles = [{ volume: 'data', reason: 'FailedAttachVolume', message: 'locked' }];
    expect(entry({ ...guest(wanted, rootOnly, [claim('data')]), troubles })).toMatchObject({
      phase: 'Bound',
      reason: 'FailedAttachVolume',
      message: 'locked',
    });
  });

  it('that it leaves, with the claim that it still has', () => {
    const before = vmi([root]);
    const persistentVolumeClaimInfo = { claimName: 'data' };
    before.status = { phase: 'Running', volumeStatus: [{ name: 'data', phase: 'Ready', persistentVolumeClaimInfo }] };
    expect(entry(guest(before, withData, []))).toMatchObject({ phase: 'Detaching', persistentVolumeClaimInfo });
    expect(entry(guest(before, rootOnly, []))).toBeUndefined();
  });

  it('nothing of the kind about permanent ones', () => {
    const status = volumeStatus(guest(wanted, withData, [claim('data')]))?.find(({ name }) => name === 'root');
    expect(status).not.toHaveProperty('hotplugVolume');
    expect(status).not.toHaveProperty('phase');
    expect(status?.target).toBe('vda');
  });
});
