import { modesOf } from '@godwit/api';
import type { PersistentVolumeClaim, StorageProfile, Stored } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { desiredProfileStatus } from '../../profiles/decide.ts';
import { claim, dataVolume, storageClass } from '../../testing/objects.ts';
import { decideDataVolume } from './decide.ts';
import type { DataVolumeSeen } from './decide.ts';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const profile = (name: 'local' | 'shared' | 'block' | 'local-block'): StorageProfile => ({
  apiVersion: 'cdi.kubevirt.io/v1beta1',
  kind: 'StorageProfile',
  metadata: { name },
  status: desiredProfileStatus(storageClass(name), {}),
});
const size = { resources: { requests: { storage: '1Gi' } } };
const blank = dataVolume('d', { source: { blank: {} }, storage: size });
const upload = dataVolume('d', { source: { upload: {} }, storage: size });
const owner = { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', name: 'd', uid: 'uid-d', controller: true };

function owned(
  phase: 'Pending' | 'Bound' | 'Lost',
  annotations: Record<string, string> = {},
  metadata: object = {},
): Stored<PersistentVolumeClaim> {
  return claim(
    'd',
    { storageClassName: 'local' },
    {
      status: { phase },
      annotations: { 'cdi.kubevirt.io/storage.import.source': 'blank', ...annotations },
      metadata: { ownerReferences: [owner], ...metadata },
    },
  );
}
const pod = (phase: string, more: Record<string, string> = {}) => ({
  'cdi.kubevirt.io/storage.pod.phase': phase,
  ...more,
});
const base: DataVolumeSeen = {
  dataVolume: blank,
  claim: undefined,
  claimClass: storageClass('local'),
  storageClass: storageClass('local'),
  profile: profile('local'),
};

describe('DataVolume phases', () => {
  const immediate = { claimClass: storageClass('shared') };
  const filled = (annotations: Record<string, string>) =>
    claim(
      'd',
      { storageClassName: 'local' },
      {
        status: { phase: 'Bound' },
        annotations: { 'cdi.kubevirt.io/storage.upload.target': '', ...annotations },
        metadata: { ownerReferences: [owner] },
      },
    );
  const cases: [string, Partial<DataVolumeSeen>, string, string | undefined, string][] = [
    ['makes its claim', {}, 'Pending', 'create-claim', 'N/A'],
    ['waits for the first consumer', { claim: owned('Pending') }, 'WaitForFirstConsumer', undefined, 'N/A'],
    [
      'asked to bind at once waits for nobody',
      { claim: owned('Pending', { 'cdi.kubevirt.io/storage.bind.immediate.requested': '' }) },
      'Pending',
      undefined,
      'N/A',
    ],
    [
      'has a consumer',
      { claim: owned('Pending', { 'volume.kubernetes.io/selected-node': 'n1' }) },
      'Pending',
      undefined,
      'N/A',
    ],
    ['of an immediate class is pending', { claim: owned('Pending'), ...immediate }, 'Pending', undefined, 'N/A'],
    ['is bound and waits for the agent', { claim: owned('Bound') }, 'ImportScheduled', undefined, 'N/A'],
    [
      'is being filled',
      { claim: owned('Bound', pod('Running', { 'godwit.dev/population-progress': '42.0%' })) },
      'ImportInProgress',
      undefined,
      '42.0%',
    ],
    ['is filled', { claim: owned('Bound', pod('Succeeded')) }, 'Succeeded', undefined, '100.0%'],
    ['failed', { claim: owned('Bound', pod('Failed')) }, 'Failed', undefined, 'N/A'],
    [
      'is bound and is to take an upload',
      { dataVolume: upload, claim: filled({}) },
      'UploadScheduled',
      undefined,
      'N/A',
    ],
    [
      'has a node that does not take an upload yet',
      { dataVolume: upload, claim: filled(pod('Running')) },
      'UploadScheduled',
      undefined,
      'N/A',
    ],
    [
      'takes an upload',
      { dataVolume: upload, claim: filled(pod('Running', { 'cdi.kubevirt.io/storage.pod.ready': 'true' })) },
      'UploadReady',
      undefined,
      'N/A',
    ],
    [
      'has taken an upload',
      { dataVolume: upload, claim: filled(pod('Succeeded', { 'cdi.kubevirt.io/storage.pod.ready': 'false' })) },
      'Succeeded',
      undefined,
      '100.0%',
    ],
    ['lost its claim', { claim: owned('Lost') }, 'Failed', undefined, 'N/A'],
    ['finds a foreign claim', { claim: owned('Bound', {}, { ownerReferences: [] }) }, 'Pending', undefined, 'N/A'],
    [
      'finds a claim filled for it',
      { claim: owned('Bound', { 'cdi.kubevirt.io/storage.populatedFor': 'd' }, { ownerReferences: [] }) },
      'Succeeded',
      undefined,
      '100.0%',
    ],
    [
      'may adopt a claim',
      {
        dataVolume: dataVolume('d', blank.spec, { annotations: { 'cdi.kubevirt.io/allowClaimAdoption': 'true' } }),
        claim: claim('d', {}, { status: { phase: 'Bound' } }),
      },
      'Succeeded',
      'adopt-claim',
      '100.0%',
    ],
    [
      'has a source nobody serves',
      { dataVolume: dataVolume('d', { source: { s3: {} }, storage: size }) },
      'Failed',
      undefined,
      'N/A',
    ],
    ['has no class and no modes', { storageClass: undefined, profile: undefined }, 'Pending', undefined, 'N/A'],
  ];
  it.each(cases)('%s', (_, changes, phase, step, progress) => {
    const plan = decideDataVolume({ ...base, ...changes }, NOW);
    expect([plan.status.phase, plan.step?.do, plan.status.progress]).toEqual([phase, step, progress]);
    expect(plan.status.conditions?.map((one) => one.type)).toEqual(['Bound', 'Running', 'Ready']);
    const ready = plan.status.conditions?.find((one) => one.type === 'Ready')?.status;
    expect(ready).toBe(phase === 'Succeeded' ? 'True' : 'False');
  });

  it('says each phase once', () => {
    const first = decideDataVolume({ ...base, claim: owned('Pending') }, NOW);
    expect(first.events.map((event) => event.reason)).toEqual(['WaitForFirstConsumer']);
    const again = decideDataVolume(
      { ...base, dataVolume: { ...blank, status: first.status }, claim: owned('Pending') },
      NOW + 5,
    );
    expect(again.events).toEqual([]);
    expect(again.status).toEqual(first.status);
  });
});

describe('the claim of a DataVolume', () => {
  it('carries owner, source and the request as it is: raw files have no overhead', () => {
    const plan = decideDataVolume(base, NOW);
    expect(plan.step).toMatchObject({
      claim: {
        metadata: {
          name: 'd',
          ownerReferences: [{ uid: 'uid-d', controller: true, blockOwnerDeletion: true }],
          annotations: { 'cdi.kubevirt.io/storage.import.source': 'blank' },
        },
        spec: {
          storageClassName: 'local',
          accessModes: ['ReadWriteOnce'],
          volumeMode: 'Filesystem',
          resources: { requests: { storage: '1Gi' } },
        },
      },
    });
  });

  it('names where an image comes from', () => {
    const http = dataVolume('d', { source: { http: { url: 'http://x/y.qcow2' } }, storage: size });
    expect(decideDataVolume({ ...base, dataVolume: http }, NOW).step).toMatchObject({
      claim: { metadata: { annotations: { 'cdi.kubevirt.io/storage.import.endpoint': 'http://x/y.qcow2' } } },
    });
  });

  it('is marked for an upload as virtctl looks for it, and passes the wish to be bound on', () => {
    const annotations = { 'cdi.kubevirt.io/storage.bind.immediate.requested': '' };
    const wanted = dataVolume('d', upload.spec, { annotations });
    const { step } = decideDataVolume({ ...base, dataVolume: wanted }, NOW);
    expect(step?.do === 'create-claim' && step.claim.metadata.annotations).toEqual({
      ...annotations,
      'cdi.kubevirt.io/storage.upload.target': '',
      'cdi.kubevirt.io/storage.contentType': 'kubevirt',
    });
  });

  it('is not made while its class does not exist, and the class is named', () => {
    const elsewhere = dataVolume('d', { source: { blank: {} }, storage: { ...size, storageClassName: 'nosuch' } });
    const plan = decideDataVolume({ ...base, dataVolume: elsewhere, storageClass: undefined, profile: undefined }, NOW);
    expect(plan.step?.do).not.toBe('create-claim');
    expect(JSON.stringify(plan)).toContain('there is no StorageClass \\"nosuch\\"');
  });

  it('takes a pvc spec as it is', () => {
    const pvc = { accessModes: ['ReadWriteOnce' as const], ...size };
    const plain = dataVolume('d', { source: { blank: {} }, pvc });
    expect(decideDataVolume({ ...base, dataVolume: plain, profile: undefined }, NOW).step).toMatchObject({
      claim: { spec: { ...pvc, volumeMode: 'Filesystem' } },
    });
  });

  it.each([
    ['both given', ['ReadWriteOnce'], 'Filesystem', 'block', ['ReadWriteOnce'], 'Filesystem'],
    ['nothing given: the first set', undefined, undefined, 'block', ['ReadWriteMany'], 'Block'],
    ['access given', ['ReadWriteOnce'], undefined, 'block', ['ReadWriteOnce'], 'Block'],
    ['mode given', undefined, 'Filesystem', 'block', ['ReadWriteMany'], 'Filesystem'],
    ['node-local', undefined, undefined, 'local-block', ['ReadWriteOnce'], 'Block'],
  ] as const)('modes: %s', (_, accessModes, volumeMode, name, wantedAccess, wantedMode) => {
    expect(modesOf(accessModes, volumeMode, profile(name))).toEqual({
      accessModes: wantedAccess,
      volumeMode: wantedMode,
    });
  });
});
