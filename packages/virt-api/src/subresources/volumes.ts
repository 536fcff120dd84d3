import type { ObjectWriter, SubresourceReply, SubresourceRequest } from '@godwit/api-server';
import type {
  Disk,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VirtualMachineInstanceSpec,
  Volume,
} from '@godwit/api';
import {
  claimOf,
  isHotpluggable,
  leavingVolumes,
  normalDisk,
  notHotpluggable,
  resources,
  withVolume,
  withoutVolume,
} from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest, conflict, invalid, notFound } from '../refuse.ts';
import { asControllers } from '../users.ts';

type Change =
  | { readonly do: 'add'; readonly volume: Volume; readonly disk: Disk }
  | { readonly do: 'remove'; readonly name: string };

export const volumeVerbs = ['addvolume', 'removevolume'] as const;

function isDryRun(options: Record<string, unknown>): boolean {
  return Array.isArray(options['dryRun']) && options['dryRun'].includes('All');
}

/** KubeVirt's `AddVolumeOptions`: the source is a claim or a DataVolume, and says by itself that it may leave again. */
function addition(options: Record<string, unknown>): Change {
  const { name, disk, volumeSource } = options;
  if (typeof name !== 'string' || name === '') throw badRequest('AddVolumeOptions requires name to be set');
  if (!isObject(disk)) throw badRequest('AddVolumeOptions requires disk to not be nil');
  if (!isObject(volumeSource)) throw badRequest('AddVolumeOptions requires VolumeSource to not be nil');
  const { persistentVolumeClaim: pvc, dataVolume } = volumeSource;
  // The cast is safe: admission of the VM or VMI looks at the disk as at any other.
  const wanted = { ...(disk as unknown as Disk), name };
  if (isObject(pvc) && typeof pvc['claimName'] === 'string' && !isObject(dataVolume)) {
    const readOnly = pvc['readOnly'] === true ? { readOnly: true } : {};
    const volume = { name, persistentVolumeClaim: { claimName: pvc['claimName'], ...readOnly, hotpluggable: true } };
    return { do: 'add', volume, disk: wanted };
  }
  if (isObject(dataVolume) && typeof dataVolume['name'] === 'string' && !isObject(pvc))
    return { do: 'add', volume: { name, dataVolume: { name: dataVolume['name'], hotpluggable: true } }, disk: wanted };
  throw badRequest('AddVolumeOptions requires volumeSource to name one of persistentVolumeClaim and dataVolume');
}

function changeOf({ body, subresource }: SubresourceRequest): { change: Change; dryRun: boolean } {
  if (!isObject(body)) throw badRequest('Request with no body, a new name is expected as the request body');
  const dryRun = isDryRun(body);
  if (subresource[0] === 'addvolume') return { change: addition(body), dryRun };
  const { name } = body;
  if (typeof name !== 'string' || name === '') throw badRequest('RemoveVolumeOptions requires name to be set');
  return { change: { do: 'remove', name }, dryRun };
}

interface Subject {
  readonly kind: 'VirtualMachine' | 'VirtualMachineInstance';
  readonly name: string;
  readonly spec: VirtualMachineInstanceSpec;
  /** Of the spec in the object. */
  readonly root: string;
  /** The guest that is to get or to lose the volume now. */
  readonly vmi: VirtualMachineInstance | undefined;
}

function checkDisk({ kind, name, root }: Subject, disk: Disk, asked: string, code: 'invalid' | 'conflict'): void {
  const why = notHotpluggable(normalDisk(disk));
  if (why === undefined) return;
  const field = `${root}.domain.devices.disks[${disk.name}]`;
  if (code === 'invalid')
    throw invalid({ kind, name }, [{ field, message: `${asked} [${disk.name}]: ${why}; set disk.bus to scsi` }]);
  throw conflict(`Unable to ${asked} [${disk.name}] of ${kind} "${name}" while it runs: ${why}; stop the VM first`);
}

/** The new spec. Throws what KubeVirt answers when that cannot be. */
function changed(subject: Subject, change: Change): VirtualMachineInstanceSpec {
  const { spec, vmi } = subject;
  const volumes = spec.volumes ?? [];
  if (change.do === 'add') {
    const { name } = change.volume;
    const claim = claimOf(change.volume);
    if (volumes.some((volume) => volume.name === name))
      throw conflict(`Unable to add volume [${name}] because volume with that name already exists`);
    if (volumes.some((volume) => claimOf(volume) === claim))
      throw conflict(`Unable to add volume source [${claim ?? ''}] because it already exists`);
    if (vmi && leavingVolumes(vmi).includes(name))
      throw conflict(
        `Unable to add volume [${name}] because the guest is still losing the one of that name; try again once status.volumeStatus of VirtualMachineInstance "${subject.name}" does not list it`,
      );
    checkDisk(subject, change.disk, 'add volume', 'invalid');
    if (vmi?.spec.domain.devices.disableHotplug === true)
      throw conflict(
        `Unable to add volume [${name}] because VirtualMachineInstance "${subject.name}" was started with domain.devices.disableHotplug; remove that and restart it`,
      );
    return withVolume(spec, change.volume, normalDisk(change.disk));
  }
  // By the name of the volume, or by that of its claim, as virtctl is used to.
  const found = volumes.find(({ name }) => name === change.name) ?? volumes.find((one) => claimOf(one) === change.name);
  if (!found) throw conflict(`Unable to remove volume [${change.name}] because it does not exist`);
  if (!isHotpluggable(found)) throw conflict(`Unable to remove volume [${found.name}] because it is not hotpluggable`);
  const disk = spec.domain.devices.disks?.find(({ name }) => name === found.name);
  if (vmi && disk) checkDisk(subject, disk, 'remove volume', 'conflict');
  return withoutVolume(spec, found.name);
}

/** Both nodes of a migration must show the guest the same disks. */
function refuseMigrating(writer: ObjectWriter, namespace: string, vmi: VirtualMachineInstance): void {
  const name = vmi.metadata.name ?? '';
  const active = migrationOf(
    // The cast is safe: the reader returns objects of the kind it was asked for.
    writer.list(resources.virtualMachineInstanceMigrations, namespace) as VirtualMachineInstanceMigration[],
    vmi,
  );
  if (active !== undefined)
    throw conflict(
      `Cannot handle volume requests while VMI migration is in progress: VirtualMachineInstance "${name}" is moved by migration "${active}"; wait for its end, or cancel it`,
    );
  if ((vmi.status?.migratedVolumes ?? []).length > 0)
    throw conflict(
      `Cannot handle volume requests while volumes of VirtualMachineInstance "${name}" are being moved; wait for the end of that, or set them back`,
    );
}

/** The migration that has, or will have, the guest in its hands. */
export function migrationOf(
  migrations: readonly VirtualMachineInstanceMigration[],
  { metadata, status }: VirtualMachineInstance,
): string | undefined {
  const isOver = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';
  const waiting = migrations.find((one) => one.spec.vmiName === metadata.name && !isOver(one.status?.phase));
  if (waiting) return waiting.metadata.name;
  const state = status?.migrationState;
  return state?.migrationUid !== undefined && state.completed !== true && state.failed !== true
    ? state.migrationUid
    : undefined;
}

function isAlive({ status, metadata }: VirtualMachineInstance): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed' && metadata.deletionTimestamp === undefined;
}

/** `PUT virtualmachines/<name>/{addvolume,removevolume}`: for the template, from where a running guest gets or loses it. */
export async function changeMachineVolumes(
  request: SubresourceRequest,
  writer: ObjectWriter,
): Promise<SubresourceReply> {
  const { change, dryRun } = changeOf(request);
  const { name, namespace } = request;
  // The casts are safe: the reader returns objects of the kind it was asked for.
  const vm = writer.get(resources.virtualMachines, name, namespace) as VirtualMachine | undefined;
  if (!vm) throw notFound('virtualmachine.kubevirt.io', name);
  const found = writer.get(resources.virtualMachineInstances, name, namespace) as VirtualMachineInstance | undefined;
  const vmi = found && isAlive(found) ? found : undefined;
  const result = (spec: VirtualMachineInstanceSpec): VirtualMachineInstanceSpec =>
    changed({ kind: 'VirtualMachine', name, spec, root: 'spec.template.spec', vmi }, change);
  result(vm.spec.template.spec);
  if (vmi) refuseMigrating(writer, namespace, vmi);
  if (dryRun) return { code: 202 };
  const mutate = (object: unknown): void => {
    const { template } = (object as VirtualMachine).spec;
    template.spec = result(template.spec);
  };
  await writer.modify(resources.virtualMachines, name, namespace, mutate, asControllers);
  return { code: 202 };
}

/** `PUT virtualmachineinstances/<name>/{addvolume,removevolume}`: for as long as this guest runs. */
export async function changeInstanceVolumes(
  request: SubresourceRequest,
  writer: ObjectWriter,
): Promise<SubresourceReply> {
  const { change, dryRun } = changeOf(request);
  const { name, namespace } = request;
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = writer.get(resources.virtualMachineInstances, name, namespace) as VirtualMachineInstance | undefined;
  if (!vmi) throw notFound('virtualmachineinstance.kubevirt.io', name);
  if (vmi.status?.phase !== 'Running' || !isAlive(vmi)) throw conflict(`VMI is not running: "${namespace}/${name}"`);
  const result = (spec: VirtualMachineInstanceSpec): VirtualMachineInstanceSpec =>
    changed({ kind: 'VirtualMachineInstance', name, spec, root: 'spec', vmi }, change);
  result(vmi.spec);
  refuseMigrating(writer, namespace, vmi);
  if (dryRun) return { code: 202 };
  const mutate = (object: unknown): void => {
    const instance = object as VirtualMachineInstance;
    instance.spec = result(instance.spec);
  };
  await writer.modify(resources.virtualMachineInstances, name, namespace, mutate, asControllers);
  return { code: 202 };
}
