/** Wire types of the built-in kinds that Godwit's own code works with; fields it never touches are left out. */
import type { Condition, KubeObject, ObjectMeta } from './meta.ts';

export interface Namespace extends KubeObject {
  status?: { phase?: 'Active' | 'Terminating' };
}

export interface Node extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: { key: string; value?: string; effect: string }[] };
  status?: {
    addresses?: { type: string; address: string }[];
    capacity?: Record<string, string>;
    allocatable?: Record<string, string>;
    conditions?: Condition[];
    nodeInfo?: Record<string, string>;
    daemonEndpoints?: { kubeletEndpoint?: { Port: number } };
  };
}

export interface PodSpec {
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  affinity?: unknown;
  tolerations?: unknown[];
  terminationGracePeriodSeconds?: number;
  containers: {
    name: string;
    image: string;
    resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
    [field: string]: unknown;
  }[];
  volumes?: { name: string; persistentVolumeClaim?: { claimName: string }; [field: string]: unknown }[];
  [field: string]: unknown;
}

export interface Pod extends KubeObject {
  spec: PodSpec;
  status?: {
    phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
    reason?: string;
    message?: string;
    conditions?: Condition[];
    podIP?: string;
    hostIP?: string;
    startTime?: string;
    containerStatuses?: {
      name: string;
      ready: boolean;
      restartCount: number;
      image: string;
      imageID: string;
      state?: unknown;
    }[];
  };
}

export type AccessMode = 'ReadWriteOnce' | 'ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOncePod';
export type VolumeMode = 'Filesystem' | 'Block';
/** In the order in which Kubernetes names them. */
export const accessModes: readonly AccessMode[] = [
  'ReadOnlyMany',
  'ReadWriteMany',
  'ReadWriteOnce',
  'ReadWriteOncePod',
];
export const volumeModes: readonly VolumeMode[] = ['Block', 'Filesystem'];

export interface PersistentVolumeClaimSpec {
  accessModes?: AccessMode[];
  resources?: { requests?: { storage?: string } };
  storageClassName?: string;
  volumeMode?: VolumeMode;
  volumeName?: string;
  dataSource?: unknown;
  dataSourceRef?: unknown;
  selector?: unknown;
}

export interface PersistentVolumeClaim extends KubeObject {
  spec: PersistentVolumeClaimSpec;
  status?: {
    phase?: 'Pending' | 'Bound' | 'Lost';
    accessModes?: AccessMode[];
    capacity?: { storage?: string };
    conditions?: Condition[];
  };
}

export interface PersistentVolume extends KubeObject {
  spec: {
    capacity: { storage: string };
    accessModes: AccessMode[];
    volumeMode?: VolumeMode;
    persistentVolumeReclaimPolicy?: 'Retain' | 'Delete';
    storageClassName?: string;
    claimRef?: {
      apiVersion?: string;
      kind?: string;
      namespace: string;
      name: string;
      uid?: string;
      resourceVersion?: string;
    };
    /** The directory or raw device file that holds the volume; relative to the pool that `godwit.dev/pool` names. */
    local?: { path: string };
    nodeAffinity?: {
      required: { nodeSelectorTerms: { matchExpressions: { key: string; operator: string; values: string[] }[] }[] };
    };
    [field: string]: unknown;
  };
  status?: { phase?: 'Available' | 'Bound' | 'Released' | 'Failed'; reason?: string; message?: string };
}

export interface StorageClass extends KubeObject {
  provisioner: string;
  parameters?: Record<string, string>;
  reclaimPolicy?: 'Retain' | 'Delete';
  volumeBindingMode?: 'Immediate' | 'WaitForFirstConsumer';
  allowVolumeExpansion?: boolean;
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}

export interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface CertificateSigningRequest extends KubeObject {
  spec: {
    request: string;
    signerName: string;
    usages: string[];
    expirationSeconds?: number;
    username?: string;
    groups?: string[];
    uid?: string;
  };
  status?: { conditions?: Condition[]; certificate?: string };
}

export interface KubeEvent extends KubeObject {
  metadata: ObjectMeta;
  involvedObject: { apiVersion?: string; kind?: string; namespace?: string; name?: string; uid?: string };
  reason: string;
  message: string;
  type: 'Normal' | 'Warning';
}
