import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { quantityBytes } from '@godwit/core/quantity';
import type { DiskBacking } from '@godwit/hypervisor';
import type { KubeClient } from '@godwit/kube-client';
import { createSparseFile, exists, fileSize, publishFile } from '../host/files.ts';
import { runProgram } from '../host/programs.ts';
import { inspectImage } from '../images/inspect.ts';
import type { ImageStore } from '../images/registry.ts';
import { fillBlank } from '../population/convert.ts';
import { growImage } from '../volumes/provision.ts';
import type { Pools } from '../volumes/location.ts';
import { claimNameOf, locateClaim, seeClaim } from './claims.ts';
import type { ClaimCaches, UsableClaim } from './claims.ts';
import { readSeed, writeSeedImage } from './cloud-init.ts';
import { isCdrom, shownVolumes } from './machine-spec.ts';
import type { ShownVolume } from './machine-spec.ts';

export interface DiskFilesIo extends ClaimCaches {
  readonly client: KubeClient;
  readonly images: ImageStore;
  readonly pools: Pools;
  readonly searchPath: string;
}

export interface DiskFile {
  readonly backing: DiskBacking;
  readonly sizeBytes: number;
}

const EXTENT = 1 << 20;

/**
 * Makes sure that a claim has an image and says how big it is. A claim nobody fills gets an empty one on first use, as
 * KubeVirt makes `disk.img`. With `atLeast`, an image made before its claim was expanded grows when the claim has the room.
 */
export async function claimFile(name: string, claim: UsableClaim, readOnly: boolean, atLeast = 0): Promise<DiskFile> {
  await fillBlank({ location: claim, sizeBytes: claim.sizeBytes });
  const found = (await fileSize(claim.image)) ?? claim.sizeBytes;
  const sizeBytes = found < atLeast && claim.sizeBytes >= atLeast ? await growImage(claim) : found;
  return { backing: { name, path: claim.image, format: 'raw', driver: 'file', readOnly }, sizeBytes };
}

/**
 * Makes every disk of a VMI usable in `directory` and says where each one is. Idempotent: files that exist are used as
 * they are, except the cloud-init seed, which is written anew until the machine runs.
 */
export async function prepareDiskFiles(
  vmi: Stored<VirtualMachineInstance>,
  directory: string,
  io: DiskFilesIo,
): Promise<ReadonlyMap<string, DiskFile>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = new Map<string, DiskFile>();
  for (const shown of shownVolumes(vmi)) files.set(shown.volume.name, await prepareOne(vmi, shown, directory, io));
  return files;
}

/** One volume of a VMI, made usable as for a first start. */
export async function prepareVolume(
  vmi: Stored<VirtualMachineInstance>,
  name: string,
  directory: string,
  io: DiskFilesIo,
): Promise<DiskFile> {
  const shown = shownVolumes(vmi).find(({ volume }) => volume.name === name);
  if (!shown) throw new GodwitError('MACHINE_UNSUPPORTED', `there is no volume "${name}"`);
  return prepareOne(vmi, shown, directory, io);
}

async function prepareOne(
  vmi: Stored<VirtualMachineInstance>,
  { disk, volume }: ShownVolume,
  directory: string,
  io: DiskFilesIo,
): Promise<DiskFile> {
  const { name } = volume;
  const readOnly = isCdrom(disk) || disk.disk?.readonly === true || volume.persistentVolumeClaim?.readOnly === true;
  const claimName = claimNameOf(volume);
  if (claimName !== undefined) {
    const claim = locateClaim(seeClaim(io, vmi.metadata.namespace ?? '', name, claimName), io.pools);
    if (!claim) throw new GodwitError('CLAIM_NOT_READY', `claim "${claimName}" has no volume`, { retry: 'backoff' });
    return claimFile(name, claim, readOnly);
  }
  if (volume.containerDisk) return containerDisk(name, volume.containerDisk.image, readOnly, directory, io.images);
  const raw = (path: string): DiskBacking => ({ name, path, format: 'raw', driver: 'file', readOnly });
  if (volume.emptyDisk) {
    const path = join(directory, `${name}.img`);
    const sizeBytes = Math.ceil(quantityBytes(volume.emptyDisk.capacity) / EXTENT) * EXTENT;
    if (!(await exists(path))) await createSparseFile(path, sizeBytes);
    return { backing: raw(path), sizeBytes };
  }
  if (volume.cloudInitNoCloud) {
    const path = join(directory, `${name}.iso`);
    await writeSeedImage(await readSeed(io.client, vmi, volume.cloudInitNoCloud), path, io.searchPath);
    return { backing: raw(path), sizeBytes: (await fileSize(path)) ?? 0 };
  }
  throw new GodwitError('MACHINE_UNSUPPORTED', `volume "${name}" is of a kind that cannot be used here`);
}

/** A writable container disk is a private overlay: the image itself never changes. */
async function containerDisk(
  name: string,
  reference: string,
  readOnly: boolean,
  directory: string,
  images: ImageStore,
): Promise<DiskFile> {
  const image = await images.containerDisk(reference);
  const info = await inspectImage(image);
  if (info.format !== 'raw' && info.format !== 'qcow2')
    throw new GodwitError('IMAGE_REFUSED', `container disk ${reference} has format ${info.format}; raw and qcow2 work`);
  if (readOnly) {
    const backing: DiskBacking = { name, path: image, format: info.format, driver: 'file', readOnly };
    return { backing, sizeBytes: info.virtualSizeBytes };
  }
  const path = join(directory, `${name}.qcow2`);
  if (!(await exists(path))) {
    const making = `${path}.new`;
    await runProgram('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', info.format, '-b', image, making]);
    await publishFile(making, path);
  }
  return { backing: { name, path, format: 'qcow2', driver: 'file', readOnly }, sizeBytes: info.virtualSizeBytes };
}
