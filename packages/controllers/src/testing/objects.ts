import type {
  CertificateSigningRequest,
  DataVolume,
  KubeObject,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Stored,
} from '@godwit/api';
import { defaultStorageClasses } from '../profiles/default-objects.ts';

/** Builders for tests: complete objects with one line per interesting difference. */
function stored<T extends KubeObject>(object: T): Stored<T> {
  const metadata = {
    uid: `uid-${object.metadata.name}`,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
  };
  // The cast is safe: every member that Stored asks for is filled in.
  return { ...object, metadata: { ...metadata, ...object.metadata } } as unknown as Stored<T>;
}

export function storageClass(name: 'local' | 'shared' | 'block' | 'local-block') {
  // Found: the name is one of them.
  return stored(defaultStorageClasses().find((one) => one.metadata.name === name)!);
}

export function node(
  name: string,
  changes: { ready?: boolean; spec?: Node['spec']; labels?: object; cpu?: string } = {},
) {
  return stored<Node>({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...changes.labels } },
    spec: changes.spec ?? {},
    status: {
      conditions: [{ type: 'Ready', status: changes.ready === false ? 'Unknown' : 'True' }],
      allocatable: { cpu: changes.cpu ?? '4', memory: '8Gi', pods: '10' },
    },
  });
}

export function claim(
  name: string,
  spec: Partial<PersistentVolumeClaim['spec']> = {},
  more: { annotations?: Record<string, string>; status?: PersistentVolumeClaim['status']; metadata?: object } = {},
) {
  return stored<PersistentVolumeClaim>({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default', annotations: more.annotations ?? {}, ...more.metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      volumeMode: 'Filesystem',
      resources: { requests: { storage: '1Gi' } },
      ...spec,
    },
    status: more.status ?? { phase: 'Pending' },
  });
}

export function volume(
  name: string,
  spec: Partial<PersistentVolume['spec']> = {},
  annotations: Record<string, string> = {},
  more: { status?: PersistentVolume['status']; metadata?: object } = {},
) {
  return stored<PersistentVolume>({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations, finalizers: ['kubernetes.io/pv-protection'], ...more.metadata },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem', ...spec },
    status: more.status ?? {},
  });
}

export function pod(
  name: string,
  spec: Partial<Pod['spec']> = {},
  more: { labels?: Record<string, string>; phase?: 'Running' | 'Succeeded' } = {},
) {
  return stored<Pod>({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: more.labels ?? {} },
    spec: {
      containers: [{ name: 'compute', image: 'x', resources: { requests: { cpu: '1', memory: '1Gi' } } }],
      ...spec,
    },
    status: { phase: more.phase ?? 'Pending' },
  });
}

export function dataVolume(
  name: string,
  spec: DataVolume['spec'],
  more: { annotations?: Record<string, string> } = {},
) {
  return stored<DataVolume>({
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name, namespace: 'default', annotations: more.annotations ?? {} },
    spec,
  });
}

export function signingRequest(
  spec: Partial<CertificateSigningRequest['spec']> = {},
  status?: CertificateSigningRequest['status'],
) {
  return stored<CertificateSigningRequest>({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'csr' },
    spec: {
      request: '',
      signerName: 'godwit.dev/migration',
      usages: ['digital signature', 'client auth'],
      username: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated'],
      ...spec,
    },
    ...(status ? { status } : {}),
  });
}
