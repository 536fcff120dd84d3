import type { KubeObject } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { tableFor } from './table-for.ts';

const nowMs = Date.parse('2024-01-01T00:05:00Z');
const object = (kind: string, fields: Record<string, unknown> = {}, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'x', namespace: 'n', resourceVersion: '7', creationTimestamp: '2024-01-01T00:00:00Z', ...metadata },
  ...fields,
});
const cells = (
  group: string,
  kind: string,
  fields: Record<string, unknown>,
  metadata: object = {},
): unknown[] | undefined =>
  tableFor({ group, kind }, [object(kind, fields, metadata)], { includeObject: 'None', nowMs }).rows[0]?.cells;

describe('tables', () => {
  it('includes as much of the object as asked for', () => {
    const secret = object('Secret', { data: { a: 'eA==' } });
    const table = (includeObject: 'None' | 'Metadata' | 'Object') =>
      tableFor({ group: '', kind: 'Secret' }, [secret], { includeObject, nowMs });
    expect(table('None').rows[0]?.object).toBeNull();
    expect(table('Object').rows[0]?.object).toBe(secret);
    expect(table('Metadata').rows[0]?.object).toEqual({
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: secret.metadata,
    });
    expect(table('None')).toMatchObject({
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: { resourceVersion: '7' },
    });
  });

  it('leaves columns out of later watch events', () => {
    const options = { includeObject: 'None', nowMs } as const;
    expect(tableFor({ group: '', kind: 'Pod' }, [], options).columnDefinitions).toHaveLength(9);
    expect(tableFor({ group: '', kind: 'Pod' }, [], { ...options, omitColumns: true }).columnDefinitions).toBeNull();
  });

  it.each<[string, string, Record<string, unknown>, unknown[]]>([
    ['', 'ConfigMap', { data: { a: '1' }, binaryData: { b: '' } }, ['x', 2, '5m']],
    ['', 'Secret', { type: 'Opaque', data: { a: '1' } }, ['x', 'Opaque', 1, '5m']],
    ['', 'Namespace', { status: { phase: 'Active' } }, ['x', 'Active', '5m']],
    [
      '',
      'Node',
      {
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          nodeInfo: { kubeletVersion: 'v1' },
          addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        },
      },
      [
        'x',
        'Ready,SchedulingDisabled',
        '<none>',
        '5m',
        'v1',
        '10.0.0.1',
        '<none>',
        '<unknown>',
        '<unknown>',
        '<unknown>',
      ],
    ],
    [
      '',
      'PersistentVolumeClaim',
      {
        spec: { volumeName: 'pv', storageClassName: 'local', volumeMode: 'Block' },
        status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] },
      },
      ['x', 'Bound', 'pv', '1Gi', 'RWO,RWX', 'local', '<unset>', '5m', 'Block'],
    ],
    [
      '',
      'Service',
      {
        spec: {
          type: 'ClusterIP',
          clusterIP: 'None',
          ports: [
            { port: 80, protocol: 'TCP' },
            { port: 90, nodePort: 30000, protocol: 'UDP' },
          ],
          selector: { a: 'b' },
        },
      },
      ['x', 'ClusterIP', 'None', '<none>', '80/TCP,90:30000/UDP', '5m', 'a=b'],
    ],
    [
      '',
      'ResourceQuota',
      { status: { hard: { pods: '2', 'limits.cpu': '1' }, used: { pods: '1' } } },
      ['x', 'pods: 1/2', 'limits.cpu: 0/1', '5m'],
    ],
    ['coordination.k8s.io', 'Lease', { spec: { holderIdentity: 'me' } }, ['x', 'me', '5m']],
    ['apiextensions.k8s.io', 'CustomResourceDefinition', {}, ['x', '2024-01-01T00:00:00Z']],
    [
      'rbac.authorization.k8s.io',
      'RoleBinding',
      {
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'ServiceAccount', namespace: 'n', name: 's' },
        ],
      },
      ['x', 'Role/r', '5m', 'u', '', 'n/s'],
    ],
    [
      '',
      'Event',
      {
        involvedObject: { kind: 'Pod', name: 'p' },
        type: 'Normal',
        reason: 'R',
        message: 'm\n',
        lastTimestamp: '2024-01-01T00:04:00Z',
        firstTimestamp: '2024-01-01T00:03:00Z',
        count: 2,
        source: { component: 'c', host: 'h' },
      },
      ['60s', 'Normal', 'R', 'pod/p', '', 'c, h', 'm', '2m', 2, 'x'],
    ],
    [
      'certificates.k8s.io',
      'CertificateSigningRequest',
      {
        spec: { signerName: 's/x', username: 'u', expirationSeconds: 3600 },
        status: { certificate: 'x', conditions: [{ type: 'Approved' }] },
      },
      ['x', '5m', 's/x', 'u', '60m', 'Approved,Issued'],
    ],
    [
      'apps',
      'Deployment',
      {
        spec: {
          replicas: 3,
          selector: { matchLabels: { a: 'b' } },
          template: { spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
        status: { readyReplicas: 1 },
      },
      ['x', '1/3', 0, 0, '5m', 'c', 'i', 'a=b'],
    ],
    [
      'batch',
      'Job',
      {
        spec: { completions: 1 },
        status: {
          succeeded: 1,
          startTime: '2024-01-01T00:00:00Z',
          completionTime: '2024-01-01T00:00:30Z',
          conditions: [{ type: 'Complete', status: 'True' }],
        },
      },
      ['x', 'Complete', '1/1', '30s', '5m', '', '', '<none>'],
    ],
  ])('%s/%s', (group, kind, fields, expected) => {
    expect(cells(group, kind, fields)).toEqual(expected);
    const width = tableFor({ group, kind }, [], { includeObject: 'None', nowMs }).columnDefinitions?.length;
    expect(width).toBe(expected.length);
  });

  it('marks the default storage class', () => {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    expect(cells('storage.k8s.io', 'StorageClass', { provisioner: 'p' }, { annotations })).toEqual([
      'x (default)',
      'p',
      'Delete',
      'Immediate',
      false,
      '5m',
    ]);
  });

  it.each<[string, Record<string, unknown>, object, string]>([
    ['running', { phase: 'Running', containerStatuses: [{ ready: true, state: { running: {} } }] }, {}, 'Running'],
    [
      'waiting',
      { phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }] },
      {},
      'ImagePullBackOff',
    ],
    ['exited', { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] }, {}, 'ExitCode:3'],
    ['init', { phase: 'Pending', initContainerStatuses: [{ state: { running: {} } }] }, {}, 'Init:0/0'],
    ['evicted', { phase: 'Failed', reason: 'Evicted' }, {}, 'Evicted'],
    ['deleted', { phase: 'Running' }, { deletionTimestamp: '2024-01-01T00:00:00Z' }, 'Terminating'],
  ])('shows the status of a pod that is %s', (_name, status, metadata, expected) => {
    expect(cells('', 'Pod', { spec: { containers: [{}] }, status }, metadata)?.[2]).toBe(expected);
  });

  it('follows the printer columns of custom resources', () => {
    const printerColumns = [
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: 1 },
      { name: 'Missing', type: 'string', jsonPath: '.spec.missing' },
      { name: 'Since', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      { name: 'List', type: 'string', jsonPath: '.spec.list' },
    ];
    const widget = object('Widget', {
      spec: { replicas: 2, list: ['a'] },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    const table = tableFor({ group: 'ex.io', kind: 'Widget', printerColumns }, [widget], {
      includeObject: 'None',
      nowMs,
    });
    expect(table.rows[0]?.cells).toEqual(['x', 'True', 2, null, '5m', '["a"]']);
    expect(table.columnDefinitions?.[0]).toMatchObject({ name: 'Name', format: 'name' });
    expect(table.columnDefinitions?.[2]).toMatchObject({ name: 'Replicas', priority: 1 });
    const bare = tableFor({ group: 'ex.io', kind: 'Widget', printerColumns: [] }, [widget], {
      includeObject: 'None',
      nowMs,
    });
    expect(bare.rows[0]?.cells).toEqual(['x', '5m']);
  });
});
