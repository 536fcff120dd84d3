import type { AdmissionPlugin } from '@godwit/api-server';
import { claimOf, names, resources } from '@godwit/api';
import type { KubeObject, VirtualMachineInstance } from '@godwit/api';
import { conflict, invalid } from '../refuse.ts';
import { archivesRefused } from '../upload/readiness.ts';

function asksForUpload(claim: KubeObject | undefined): boolean {
  return claim?.metadata.annotations?.[names.uploadTargetAnnotation] !== undefined;
}

/** Phases in which no guest has opened its disks yet, or has done with them. */
const NO_GUEST: readonly (string | undefined)[] = [undefined, '', 'Pending', 'Scheduling', 'Succeeded', 'Failed'];

function holds(vmi: VirtualMachineInstance, claim: string): boolean {
  const { volumeStatus = [], migratedVolumes = [], phase } = vmi.status ?? {};
  if (NO_GUEST.includes(phase)) return false;
  return (
    (vmi.spec.volumes ?? []).some((volume) => claimOf(volume) === claim) ||
    volumeStatus.some((volume) => volume.persistentVolumeClaimInfo?.claimName === claim) ||
    migratedVolumes.some((volume) => volume.destinationPVCInfo?.claimName === claim)
  );
}

/** Admission of claims that ask for an upload: what was under a running guest would be overwritten. */
export const uploadClaimAdmission: AdmissionPlugin = {
  name: 'upload-claim.godwit.dev',
  validate({ resource, subresource, object, oldObject, namespace, name }, reader) {
    if (resource.plural !== 'persistentvolumeclaims' || resource.group !== '' || subresource !== '') return [];
    if (!asksForUpload(object) || asksForUpload(oldObject)) return [];
    if (object?.metadata.annotations?.[names.contentTypeAnnotation] === 'archive')
      throw invalid({ kind: 'PersistentVolumeClaim', name }, [
        {
          field: `metadata.annotations[${names.contentTypeAnnotation}]`,
          message: archivesRefused,
          reason: 'FieldValueNotSupported',
        },
      ]);
    if (oldObject === undefined) return [];
    // The cast is safe: the reader returns objects of the kind it was asked for.
    const instances = reader.list(resources.virtualMachineInstances, namespace) as VirtualMachineInstance[];
    const holder = instances.find((vmi) => holds(vmi, name));
    if (holder)
      throw conflict(
        `claim ${namespace}/${name} is a disk of the running VM "${holder.metadata.name}"; stop it before you upload`,
      );
    return [];
  },
};
