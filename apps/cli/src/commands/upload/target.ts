import { names, populationKind, resources } from '@godwit/api';
import type { DataVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { formatBytesQuantity, quantityBytes } from '@godwit/core/quantity';
import type { UploadOptions } from './command.ts';
import type { ImageFile } from './image-file.ts';
import { isFilled } from './work.ts';

/** What the cluster has under the name that is to be filled. */
export interface SeenTarget {
  readonly dataVolume: Stored<DataVolume> | undefined;
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
}

export type TargetPlan = { readonly do: 'create'; readonly dataVolume: DataVolume } | { readonly do: 'use' };

const MIB = 2 ** 20;

/** Throws `UPLOAD_TARGET_TAKEN`, `UPLOAD_SIZE_MISSING` or `IMAGE_TOO_LARGE`, each naming the way out. */
export function planTarget(name: string, options: UploadOptions, image: ImageFile, seen: SeenTarget): TargetPlan {
  const { dataVolume, claim } = seen;
  const what = `${options.namespace}/${name}`;
  if (!dataVolume && !claim) return { do: 'create', dataVolume: newDataVolume(name, options, image) };
  if (dataVolume && dataVolume.spec.source?.upload === undefined)
    throw taken(`DataVolume ${what} is filled from another source`, options);
  if (dataVolume?.status?.phase === 'Succeeded' || isFilled(claim))
    throw taken(`${what} has been filled already`, options);
  if (claim && populationKind(claim) !== 'upload') throw taken(`Claim ${what} does not ask for an upload`, options);
  const size = claim?.spec.resources?.requests?.storage;
  if (size !== undefined) checkSize(what, image, quantityBytes(size));
  return { do: 'use' };
}

function taken(why: string, { namespace }: UploadOptions): GodwitError {
  return new GodwitError(
    'UPLOAD_TARGET_TAKEN',
    `${why}; choose another name, or remove it first: kubectl delete dv -n ${namespace} NAME`,
  );
}

function checkSize(what: string, { path, diskBytes = 0 }: ImageFile, sizeBytes: number): void {
  if (diskBytes <= sizeBytes) return;
  throw new GodwitError(
    'IMAGE_TOO_LARGE',
    `The disk in ${path} has ${diskBytes} bytes, ${what} holds ${sizeBytes}; use a DataVolume of --size ${wholeMebibytes(diskBytes)} or more`,
  );
}

function wholeMebibytes(bytes: number): string {
  return formatBytesQuantity(Math.ceil(bytes / MIB) * MIB);
}

function newDataVolume(name: string, options: UploadOptions, image: ImageFile): DataVolume {
  const { namespace, storageClass, accessMode, volumeMode } = options;
  if (options.size === undefined && image.diskBytes === undefined)
    throw new GodwitError(
      'UPLOAD_SIZE_MISSING',
      `${image.path} does not tell the size of its disk, since it is packed; give a --size, such as 10Gi`,
    );
  const size = options.size ?? wholeMebibytes(image.diskBytes ?? 0);
  checkSize(`${namespace}/${name}`, image, quantityBytes(size));
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: resources.dataVolumes.kind,
    // Nobody can use it before it is filled: there is no consumer to wait for.
    metadata: { name, namespace, annotations: { [names.bindImmediatelyAnnotation]: '' } },
    spec: {
      source: { upload: {} },
      storage: {
        resources: { requests: { storage: size } },
        ...(storageClass !== undefined && { storageClassName: storageClass }),
        ...(accessMode !== undefined && { accessModes: [accessMode] }),
        ...(volumeMode !== undefined && { volumeMode: volumeMode === 'block' ? 'Block' : 'Filesystem' }),
      },
    },
  };
}
