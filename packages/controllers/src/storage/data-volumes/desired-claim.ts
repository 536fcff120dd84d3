import { modesOf, names } from '@godwit/api';
import type {
  DataVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  StorageClass,
  StorageProfile,
  Stored,
} from '@godwit/api';

/** Annotations of CDI that only a claim made for a DataVolume carries. */
export const claimMarks = {
  /** CDI's promise on a claim: its contents were put there for the DataVolume of this name. */
  populatedFor: 'cdi.kubevirt.io/storage.populatedFor',
  allowAdoption: 'cdi.kubevirt.io/allowClaimAdoption',
} as const;
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

export interface Defaults {
  /** The class the claim will have: the named one, else the default for virtual machines. */
  readonly storageClass: StorageClass | undefined;
  readonly profile: StorageProfile | undefined;
}

export type ClaimOrReason =
  | { readonly claim: PersistentVolumeClaim }
  | { readonly reason: string; readonly message: string };

/** The claim a DataVolume asks for, or why there can be none (yet). */
export function desiredClaim(dataVolume: Stored<DataVolume>, defaults: Defaults): ClaimOrReason {
  const source = sourceMarks(dataVolume);
  if ('reason' in source) return source;
  const spec = claimSpec(dataVolume, defaults);
  if ('reason' in spec) return spec;
  const { name, namespace = '', uid, labels } = dataVolume.metadata;
  const { [LAST_APPLIED]: _applied, ...annotations } = dataVolume.metadata.annotations ?? {};
  return {
    claim: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name,
        namespace,
        labels: {
          ...labels,
          app: 'containerized-data-importer',
          'app.kubernetes.io/component': 'storage',
          'app.kubernetes.io/managed-by': 'cdi-controller',
        },
        annotations: {
          ...annotations,
          [names.contentTypeAnnotation]: dataVolume.spec.contentType ?? 'kubevirt',
          ...(dataVolume.spec.preallocation === true ? { [names.preallocationAnnotation]: 'true' } : {}),
          ...source.marks,
        },
        ownerReferences: [ownerReference(name, uid)],
      },
      spec: spec.spec,
    },
  };
}

export function ownerReference(name: string, uid: string) {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export type SourceKind = 'blank' | 'http' | 'registry' | 'upload';

export function sourceKind(dataVolume: DataVolume): SourceKind | undefined {
  const { source } = dataVolume.spec;
  for (const kind of ['blank', 'http', 'registry', 'upload'] as const) if (source?.[kind] !== undefined) return kind;
  return undefined;
}

type Marks = { readonly marks: Record<string, string> } | { readonly reason: string; readonly message: string };

function sourceMarks(dataVolume: DataVolume): Marks {
  const { source } = dataVolume.spec;
  const kind = sourceKind(dataVolume);
  const endpoint = kind === 'http' ? source?.http?.url : kind === 'registry' ? source?.registry?.url : undefined;
  if (kind === undefined) {
    const given = Object.keys(source ?? {}).join(', ') || (dataVolume.spec.sourceRef ? 'sourceRef' : 'none');
    return { reason: 'SourceNotSupported', message: `DataVolume source "${given}" is not supported here` };
  }
  if ((kind === 'http' || kind === 'registry') && (endpoint === undefined || endpoint === '')) {
    return { reason: 'SourceNotSupported', message: `DataVolume source "${kind}" needs a url` };
  }
  // As CDI marks it, and as virtctl looks for it.
  if (kind === 'upload') return { marks: { [names.uploadTargetAnnotation]: '' } };
  return {
    marks: {
      [names.importSourceAnnotation]: kind,
      ...(endpoint === undefined ? {} : { [names.importEndpointAnnotation]: endpoint }),
    },
  };
}

type SpecOrReason =
  | { readonly spec: PersistentVolumeClaimSpec }
  | { readonly reason: string; readonly message: string };
const INVALID = 'ErrClaimNotValid';

function claimSpec(dataVolume: DataVolume, { storageClass, profile }: Defaults): SpecOrReason {
  const { pvc, storage } = dataVolume.spec;
  if (pvc) {
    if (pvc.resources?.requests?.storage === undefined) return noSize(dataVolume);
    return { spec: { ...pvc, volumeMode: pvc.volumeMode ?? 'Filesystem' } };
  }
  const size = storage?.resources?.requests?.storage;
  if (!storage || size === undefined) return noSize(dataVolume);
  const modes = modesOf(storage.accessModes, storage.volumeMode, profile);
  if (!modes) {
    const named = storage.storageClassName ?? '';
    const message = storageClass
      ? `PVC spec is missing accessMode and no fitting claimPropertySets in StorageProfile "${storageClass.metadata.name}"`
      : named === ''
        ? 'PVC spec is missing accessMode and no storageClass to choose profile'
        : `PVC spec is missing accessMode and there is no StorageClass "${named}"; create it, or make a DataVolume of another class`;
    return { reason: INVALID, message };
  }
  const { accessModes: _a, volumeMode: _v, storageClassName, resources: _r, ...rest } = storage;
  const className = storageClassName ?? storageClass?.metadata.name;
  return {
    spec: {
      ...(rest as Partial<PersistentVolumeClaimSpec>),
      accessModes: [...modes.accessModes],
      volumeMode: modes.volumeMode,
      // Our raw files lose nothing to a file system inside the volume: the overhead CDI would add is zero.
      resources: { requests: { storage: size } },
      ...(className === undefined ? {} : { storageClassName: className }),
    },
  };
}

function noSize(dataVolume: DataVolume): SpecOrReason {
  return { reason: INVALID, message: `DataVolume "${dataVolume.metadata.name}" requests no storage size` };
}
