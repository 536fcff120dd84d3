import { names } from '@godwit/api';
import type { AccessMode, Node, PersistentVolume, PersistentVolumeClaim, StorageClass, Stored } from '@godwit/api';
import { formatBytesQuantity } from '@godwit/core/quantity';
import { storageMarks } from '../marks.ts';
import { poolOf } from '../storage-class.ts';
import type { Pool } from '../storage-class.ts';
import { requestedBytes } from './matching.ts';

const SUPPORTED: Readonly<Record<Pool, readonly AccessMode[]>> = {
  node: ['ReadWriteOnce', 'ReadWriteOncePod'],
  shared: ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadOnlyMany', 'ReadWriteMany'],
};
const BLOCK = 4096;

/** Why our provisioner cannot make a volume for the claim, or `undefined`. */
export function refusal(claim: PersistentVolumeClaim, storageClass: StorageClass): string | undefined {
  const pool = poolOf(storageClass);
  const missing = (claim.spec.accessModes ?? []).filter((mode) => !SUPPORTED[pool].includes(mode));
  if (missing.length > 0) {
    return `storage class "${storageClass.metadata.name}" keeps volumes in the ${pool} pool, which does not offer ${missing.join(', ')}`;
  }
  if (requestedBytes(claim) <= 0) return 'the claim requests no storage';
  if (claim.spec.selector !== undefined) return 'a claim with a selector cannot be provisioned dynamically';
  return undefined;
}

/** Name of the volume that is made for a claim. */
export function volumeNameFor(claim: Stored<PersistentVolumeClaim>): string {
  return `pvc-${claim.metadata.uid}`;
}

/** The PersistentVolume made for a claim; its bytes do not exist until the agent of `node` says so. */
export function desiredVolume(
  claim: Stored<PersistentVolumeClaim>,
  storageClass: StorageClass,
  node: Node,
): PersistentVolume {
  const pool = poolOf(storageClass);
  const name = volumeNameFor(claim);
  const nodeName = node.metadata.name ?? '';
  const bytes = Math.ceil(requestedBytes(claim) / BLOCK) * BLOCK;
  const request = claim.spec.resources?.requests?.storage ?? '0';
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name,
      annotations: {
        [names.provisionedByAnnotation]: names.provisioner,
        [names.poolAnnotation]: pool,
        [storageMarks.provisioned]: 'false',
        [storageMarks.provisionNode]: nodeName,
      },
      finalizers: [names.pvProtectionFinalizer, storageMarks.volumeFinalizer],
    },
    spec: {
      capacity: { storage: bytes === requestedBytes(claim) ? request : formatBytesQuantity(bytes) },
      accessModes: [...(claim.spec.accessModes ?? ['ReadWriteOnce'])],
      volumeMode: claim.spec.volumeMode ?? 'Filesystem',
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name ?? '',
      claimRef: claimReference(claim),
      // Relative to the pool's directory, which only the node agents know.
      local: { path: name },
      ...(pool === 'node' ? { nodeAffinity: onlyOn(node.metadata.labels?.[names.hostnameLabel] ?? nodeName) } : {}),
    },
  };
}

export function claimReference(
  claim: Stored<PersistentVolumeClaim>,
): NonNullable<PersistentVolume['spec']['claimRef']> {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    namespace: claim.metadata.namespace ?? '',
    name: claim.metadata.name,
    uid: claim.metadata.uid,
    resourceVersion: claim.metadata.resourceVersion,
  };
}

function onlyOn(hostname: string): NonNullable<PersistentVolume['spec']['nodeAffinity']> {
  const matchExpressions = [{ key: names.hostnameLabel, operator: 'In', values: [hostname] }];
  return { required: { nodeSelectorTerms: [{ matchExpressions }] } };
}
