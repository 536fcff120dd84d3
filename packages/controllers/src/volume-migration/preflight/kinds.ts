import type { Disk, VirtualMachine, VirtualMachineInstance, Volume } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { machineOf, volumeField } from './finding.ts';
import type { Preflight } from './finding.ts';

function diskOf(vmi: VirtualMachineInstance, name: string): Disk | undefined {
  return vmi.spec.domain.devices.disks?.find((disk) => disk.name === name);
}

function isFilesystem(vmi: VirtualMachineInstance, name: string): boolean {
  return (vmi.spec.domain.devices.filesystems ?? []).some((one) => isObject(one) && one['name'] === name);
}

function hasReadOnlyClaim(volumes: readonly Volume[] | undefined, name: string): boolean {
  return volumes?.find((volume) => volume.name === name)?.persistentVolumeClaim?.readOnly === true;
}

interface Kind {
  readonly group: string;
  /** What the volume field or disk field is called that makes it one. */
  readonly field: (name: string) => string;
  readonly applies: (vmi: VirtualMachineInstance, name: string, vm: VirtualMachine) => boolean;
}

const diskField =
  (rest: string) =>
  (name: string): string =>
    `spec.template.spec.domain.devices.disks[${name}].${rest}`;

const KINDS: readonly Kind[] = [
  {
    group: 'filesystems',
    field: (name) => `spec.template.spec.domain.devices.filesystems[${name}]`,
    applies: isFilesystem,
  },
  {
    group: 'shareable disks',
    field: diskField('shareable'),
    applies: (vmi, name) => diskOf(vmi, name)?.shareable === true,
  },
  { group: 'luns', field: diskField('lun'), applies: (vmi, name) => diskOf(vmi, name)?.lun !== undefined },
  // Upstream accepts what follows and never copies it.
  { group: 'CD-ROMs', field: diskField('cdrom'), applies: (vmi, name) => diskOf(vmi, name)?.cdrom !== undefined },
  {
    group: 'read-only disks',
    field: diskField('disk.readonly'),
    applies: (vmi, name) => diskOf(vmi, name)?.disk?.readonly === true,
  },
  {
    group: 'read-only claims',
    field: (name) => volumeField(name, '.persistentVolumeClaim.readOnly'),
    applies: (vmi, name, vm) =>
      hasReadOnlyClaim(vmi.spec.volumes, name) || hasReadOnlyClaim(vm.spec.template.spec.volumes, name),
  },
];

/** Volumes of kinds that cannot be copied under a running guest. */
export const kinds: Preflight = (input, changed) =>
  changed.flatMap(({ name, from }) =>
    KINDS.filter(({ applies }) => applies(input.vmi, name, input.vm)).map(({ group, field }) => ({
      verdict: 'restart' as const,
      reason: 'VolumeKindUnsupported',
      object: machineOf(input),
      field: field(name),
      problem: `volume ${name} is one of the ${group}, which cannot be copied while the guest runs`,
      remedy: `Set the volume back to claim ${from}, or restart the VM to use the new one as it is`,
    })),
  );
