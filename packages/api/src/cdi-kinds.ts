/** Wire types of `cdi.kubevirt.io/v1beta1`. */
import type { AccessMode, PersistentVolumeClaimSpec, VolumeMode } from './core-kinds.ts';
import type { Condition, KubeObject } from './meta.ts';

export interface DataVolumeSource {
  blank?: object;
  http?: { url: string; secretRef?: string; certConfigMap?: string; extraHeaders?: string[]; checksum?: string };
  upload?: object;
  registry?: { url?: string; imageStream?: string; pullMethod?: string; secretRef?: string; certConfigMap?: string };
  [field: string]: unknown;
}

export interface DataVolumeSpec {
  source?: DataVolumeSource;
  sourceRef?: unknown;
  pvc?: PersistentVolumeClaimSpec;
  storage?: {
    accessModes?: AccessMode[];
    volumeMode?: VolumeMode;
    resources?: { requests?: { storage?: string } };
    storageClassName?: string;
    [field: string]: unknown;
  };
  contentType?: 'kubevirt' | 'archive';
  preallocation?: boolean;
  [field: string]: unknown;
}

export type DataVolumePhase =
  | ''
  | 'Pending'
  | 'PVCBound'
  | 'WaitForFirstConsumer'
  | 'PendingPopulation'
  | 'ImportScheduled'
  | 'ImportInProgress'
  | 'UploadScheduled'
  | 'UploadReady'
  | 'Succeeded'
  | 'Failed'
  | 'Unknown';

export interface DataVolume extends KubeObject {
  spec: DataVolumeSpec;
  status?: {
    claimName?: string;
    phase?: DataVolumePhase;
    progress?: string;
    restartCount?: number;
    conditions?: Condition[];
  };
}

export interface StorageProfile extends KubeObject {
  spec?: { claimPropertySets?: { accessModes: AccessMode[]; volumeMode?: VolumeMode }[] };
  status?: {
    storageClass?: string;
    provisioner?: string;
    claimPropertySets?: { accessModes: AccessMode[]; volumeMode?: VolumeMode }[];
    cloneStrategy?: string;
  };
}

/** The one object named `config` tells clients such as virtctl where uploads go. */
export interface CdiConfig extends KubeObject {
  spec?: { uploadProxyURLOverride?: string; [field: string]: unknown };
  status?: { uploadProxyURL?: string; uploadProxyCA?: string; [field: string]: unknown };
}

/** `upload.cdi.kubevirt.io/v1beta1`: asks for a token to upload into one claim; never stored. */
export interface UploadTokenRequest extends KubeObject {
  spec: { pvcName: string };
  status?: { token?: string };
}
