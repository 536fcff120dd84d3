import type { VirtualMachineInstanceSpec, Volume } from '@godwit/api';
import { claimOf, evictionStrategies, vmiSpecSupport } from '@godwit/api';
import { readQuantity } from '@godwit/core/quantity';
import type { FieldProblem } from '../refuse.ts';
import { judgeFields } from './judge-fields.ts';
import type { SpecVerdict } from './judge-fields.ts';

const VOLUME_SOURCES = [
  'dataVolume',
  'persistentVolumeClaim',
  'containerDisk',
  'cloudInitNoCloud',
  'emptyDisk',
] as const;
const BUSES: Readonly<Record<'disk' | 'cdrom', readonly string[]>> = {
  disk: ['virtio', 'sata', 'scsi'],
  cdrom: ['sata', 'scsi'],
};
const MACHINE_TYPE = /^(q35|pc|pc-q35-[\w.]+|pc-i440fx-[\w.]+)$/;
/** Names of volumes become names of files. */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const MAC = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;

function duplicates(names: readonly string[]): Set<string> {
  return new Set(names.filter((name, i) => names.indexOf(name) !== i));
}

const CLOUD_INIT_DATA = [
  ['userData', 'userDataBase64', 'secretRef'],
  ['networkData', 'networkDataBase64', 'networkDataSecretRef'],
] as const;

function cloudInitProblems({ cloudInitNoCloud: source }: Volume, field: string): FieldProblem[] {
  if (!source) return [];
  return CLOUD_INIT_DATA.filter((ways) => ways.filter((way) => source[way] !== undefined).length > 1).map(
    ([plain, base64, secret]) => ({
      field: `${field}.cloudInitNoCloud`,
      message: `use one of ${plain}, ${base64} and ${secret}`,
    }),
  );
}

/** The schema demands these fields, but lets them be empty. */
function namelessProblems(volume: Volume, field: string): FieldProblem[] {
  const given: readonly (readonly [string, string | undefined, string])[] = [
    [
      'containerDisk.image',
      volume.containerDisk?.image,
      'name an image, for example quay.io/kubevirt/cirros-container-disk-demo',
    ],
    ['dataVolume.name', volume.dataVolume?.name, 'name a DataVolume'],
    ['persistentVolumeClaim.claimName', volume.persistentVolumeClaim?.claimName, 'name a claim'],
  ];
  return given
    .filter(([, value]) => value === '')
    .map(([path, , message]) => ({ field: `${field}.${path}`, message, reason: 'FieldValueRequired' }));
}

function volumeProblems(spec: VirtualMachineInstanceSpec, root: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const volumes = spec.volumes ?? [];
  const repeated = duplicates(volumes.map((volume) => volume.name));
  volumes.forEach((volume: Volume, i) => {
    const field = `${root}.volumes[${i}]`;
    if (!DNS_LABEL.test(volume.name))
      problems.push({ field: `${field}.name`, message: `"${volume.name}" must be a DNS label such as root-disk` });
    if (repeated.has(volume.name))
      problems.push({
        field: `${field}.name`,
        message: `"${volume.name}" is used twice`,
        reason: 'FieldValueDuplicate',
      });
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    if (sources.length !== 1)
      problems.push({
        field,
        message: `needs exactly one source such as ${VOLUME_SOURCES.join(', ')}; it has ${sources.length}`,
      });
    problems.push(...cloudInitProblems(volume, field), ...namelessProblems(volume, field));
  });
  for (const name of duplicates(volumes.flatMap((volume) => claimOf(volume) ?? [])))
    problems.push({
      field: `${root}.volumes`,
      message: `claim "${name}" is used by two volumes`,
      reason: 'FieldValueDuplicate',
    });
  return problems;
}

function diskProblems(spec: VirtualMachineInstanceSpec, root: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const disks = spec.domain.devices.disks ?? [];
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  const repeated = duplicates(disks.map((disk) => disk.name));
  const orders = duplicates(disks.flatMap((disk) => (disk.bootOrder === undefined ? [] : [String(disk.bootOrder)])));
  disks.forEach((disk, i) => {
    const field = `${root}.domain.devices.disks[${i}]`;
    if (repeated.has(disk.name))
      problems.push({ field: `${field}.name`, message: `"${disk.name}" is used twice`, reason: 'FieldValueDuplicate' });
    if (!volumes.has(disk.name))
      problems.push({
        field: `${field}.name`,
        message: `no volume is named "${disk.name}"; add it to ${root}.volumes`,
      });
    for (const type of ['disk', 'cdrom'] as const) {
      const bus = disk[type]?.bus;
      if (bus !== undefined && !BUSES[type].includes(bus)) {
        problems.push({
          field: `${field}.${type}.bus`,
          message: `"${bus}" is not one of ${BUSES[type].join(', ')}`,
          reason: 'FieldValueNotSupported',
        });
      }
    }
    if (disk.disk && disk.cdrom) problems.push({ field, message: 'can be a disk or a cdrom, not both' });
    if (disk.bootOrder !== undefined && disk.bootOrder < 1)
      problems.push({ field: `${field}.bootOrder`, message: 'must be at least 1' });
    if (disk.bootOrder !== undefined && orders.has(String(disk.bootOrder))) {
      problems.push({
        field: `${field}.bootOrder`,
        message: `${disk.bootOrder} is used twice`,
        reason: 'FieldValueDuplicate',
      });
    }
    if (disk.cache !== undefined && !['none', 'writeback', 'writethrough'].includes(disk.cache)) {
      problems.push({
        field: `${field}.cache`,
        message: `"${disk.cache}" is not one of none, writeback, writethrough`,
        reason: 'FieldValueNotSupported',
      });
    }
    if (disk.serial !== undefined && !/^[\w-]{1,36}$/.test(disk.serial)) {
      problems.push({ field: `${field}.serial`, message: 'may hold 1 to 36 letters, digits, _ and -' });
    }
  });
  const used = new Set(disks.map((disk) => disk.name));
  (spec.volumes ?? []).forEach((volume, i) => {
    if (!used.has(volume.name))
      problems.push({
        field: `${root}.volumes[${i}].name`,
        message: `no disk uses volume "${volume.name}"; add it to ${root}.domain.devices.disks`,
      });
  });
  return problems;
}

function networkProblems(spec: VirtualMachineInstanceSpec, root: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const networks = new Set((spec.networks ?? []).map((network) => network.name));
  const interfaces = spec.domain.devices.interfaces ?? [];
  interfaces.forEach((nic, i) => {
    const field = `${root}.domain.devices.interfaces[${i}]`;
    if (!networks.has(nic.name))
      problems.push({
        field: `${field}.name`,
        message: `no network is named "${nic.name}"; add it to ${root}.networks`,
      });
    if (nic.model !== undefined && !['virtio', 'e1000'].includes(nic.model)) {
      problems.push({
        field: `${field}.model`,
        message: `"${nic.model}" is not one of virtio, e1000`,
        reason: 'FieldValueNotSupported',
      });
    }
    if (nic.macAddress !== undefined && !MAC.test(nic.macAddress))
      problems.push({ field: `${field}.macAddress`, message: `"${nic.macAddress}" is not a MAC address` });
  });
  (spec.networks ?? []).forEach((network, i) => {
    if (!interfaces.some((nic) => nic.name === network.name)) {
      problems.push({ field: `${root}.networks[${i}].name`, message: `no interface uses network "${network.name}"` });
    }
  });
  return problems;
}

const LEAST_MEMORY_BYTES = 2 ** 20;

function guestMemory({ domain: { memory, resources } }: VirtualMachineInstanceSpec): string | undefined {
  return memory?.guest ?? resources?.requests?.['memory'] ?? resources?.limits?.['memory'];
}

function memoryProblems(guest: string | undefined, field: string): FieldProblem[] {
  if (guest === undefined)
    return [{ field, message: 'give the guest memory, for example 512Mi', reason: 'FieldValueRequired' }];
  const bytes = readQuantity(guest);
  if (bytes === undefined) return [{ field, message: `"${guest}" is not a quantity such as 512Mi` }];
  return bytes >= LEAST_MEMORY_BYTES ? [] : [{ field, message: `must be at least ${LEAST_MEMORY_BYTES}, is ${guest}` }];
}

function domainProblems(
  spec: VirtualMachineInstanceSpec,
  root: string,
  old: VirtualMachineInstanceSpec | undefined,
): FieldProblem[] {
  const { cpu, machine } = spec.domain;
  const problems: FieldProblem[] = [];
  const guest = guestMemory(spec);
  if (!old || guest !== guestMemory(old)) problems.push(...memoryProblems(guest, `${root}.domain.memory.guest`));
  for (const part of ['cores', 'sockets', 'threads'] as const) {
    const count = cpu?.[part];
    if (count !== undefined && (count < 1 || count > 256))
      problems.push({ field: `${root}.domain.cpu.${part}`, message: 'must be between 1 and 256' });
  }
  if (machine?.type !== undefined && machine.type !== '' && !MACHINE_TYPE.test(machine.type)) {
    problems.push({
      field: `${root}.domain.machine.type`,
      message: `"${machine.type}" is not q35 or pc, with or without a version`,
      reason: 'FieldValueNotSupported',
    });
  }
  if (spec.architecture !== undefined && spec.architecture !== 'amd64') {
    problems.push({
      field: `${root}.architecture`,
      message: `"${spec.architecture}" is not available; use amd64`,
      reason: 'FieldValueNotSupported',
    });
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    problems.push({ field: `${root}.terminationGracePeriodSeconds`, message: 'must not be negative' });
  return problems;
}

function evictionProblems({ evictionStrategy }: VirtualMachineInstanceSpec, root: string): FieldProblem[] {
  if (evictionStrategy === undefined || evictionStrategies.includes(evictionStrategy)) return [];
  return [
    {
      field: `${root}.evictionStrategy`,
      message: `"${String(evictionStrategy)}" is none of ${evictionStrategies.join(', ')}`,
      reason: 'FieldValueNotSupported',
    },
  ];
}

/**
 * Everything wrong with a VMI spec, and everything that will not have its documented effect. A quantity that `old`, what is
 * stored, has as well is let be. Pure.
 */
export function judgeVmiSpec(
  spec: VirtualMachineInstanceSpec,
  root: string,
  old?: VirtualMachineInstanceSpec,
): SpecVerdict {
  const fields = judgeFields(vmiSpecSupport, spec, root);
  return {
    problems: [
      ...fields.problems,
      ...evictionProblems(spec, root),
      ...domainProblems(spec, root, old),
      ...volumeProblems(spec, root),
      ...diskProblems(spec, root),
      ...networkProblems(spec, root),
    ],
    warnings: fields.warnings,
  };
}
