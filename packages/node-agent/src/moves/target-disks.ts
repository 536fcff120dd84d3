import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { DiskBacking, DiskSpec, MachineSpec } from '@godwit/hypervisor';
import { createSparseFile, fileSize } from '../host/files.ts';
import { claimNameOf, locateClaim, seeClaim } from '../launcher/claims.ts';
import type { UsableClaim } from '../launcher/claims.ts';
import { claimFile, prepareVolume } from '../launcher/disk-files.ts';
import type { DiskFilesIo } from '../launcher/disk-files.ts';
import type { PrepareAnswer, PrepareRequest } from '../migration/types.ts';
import { movedVolumes } from './identity.ts';

type Verdict = DiskBacking | { readonly refused: string };

/** Host-only parts of the machine that arrives: nothing of the source's host is taken over. */
function localSpec(spec: MachineSpec): MachineSpec {
  return { ...spec, nics: spec.nics.map((nic) => ({ ...nic, forwards: [] })) };
}

function refuseSize(disk: DiskSpec, has: number): Verdict {
  return { refused: `volume ${disk.name}: target has ${has} bytes, ${disk.sizeBytes} are needed` };
}

/**
 * Makes this node's disks ready for a guest that arrives: empty images for what is copied, the very same files for what
 * is shared. Refuses rather than guesses when a volume is missing, too small, or the copy would land on its own source.
 */
export async function prepareTargetDisks(
  vmi: Stored<VirtualMachineInstance>,
  directory: string,
  request: PrepareRequest,
  io: DiskFilesIo,
): Promise<PrepareAnswer> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const backings: DiskBacking[] = [];
  for (const disk of request.spec.disks) {
    const verdict = await prepareOne(vmi, disk, request.copyDisks.includes(disk.name), directory, io);
    if ('refused' in verdict) return verdict;
    backings.push(verdict);
  }
  return { backings, spec: localSpec(request.spec) };
}

async function prepareOne(
  vmi: Stored<VirtualMachineInstance>,
  disk: DiskSpec,
  copied: boolean,
  directory: string,
  io: DiskFilesIo,
): Promise<Verdict> {
  const { name, readOnly } = disk;
  const volume = vmi.spec.volumes?.find((one) => one.name === name);
  if (!volume) return { refused: `volume ${name}: the target VirtualMachineInstance has no volume of that name` };
  const claimName = claimNameOf(volume);
  if (claimName !== undefined) {
    const claim = locateClaim(seeClaim(io, vmi.metadata.namespace ?? '', name, claimName), io.pools);
    if (!claim) return { refused: `volume ${name}: claim "${claimName}" has no volume` };
    return copied ? copyTarget(vmi, disk, claimName, claim) : sharedDisk(disk, claimName, claim);
  }
  if (!copied) return (await prepareVolume(vmi, name, directory, io)).backing;
  const path = join(directory, `${name}.img`);
  await createSparseFile(path, disk.sizeBytes);
  return { name, path, format: 'raw', driver: 'file', readOnly };
}

async function copyTarget(
  vmi: Stored<VirtualMachineInstance>,
  disk: DiskSpec,
  claimName: string,
  claim: UsableClaim,
): Promise<Verdict> {
  const source = movedVolumes(vmi).find((info) => info.volumeName === disk.name)?.sourcePVCInfo;
  const { sourceState } = vmi.status?.migrationState ?? {};
  const leftAnotherCluster =
    sourceState?.virtualMachineInstanceUID !== undefined && sourceState.virtualMachineInstanceUID !== vmi.metadata.uid;
  if (source?.claimName === claimName && !leftAnotherCluster)
    return { refused: `volume ${disk.name}: claim "${claimName}" is both source and target of the copy` };
  const { backing, sizeBytes } = await claimFile(disk.name, claim, disk.readOnly, disk.sizeBytes);
  return sizeBytes < disk.sizeBytes ? refuseSize(disk, sizeBytes) : backing;
}

async function sharedDisk(disk: DiskSpec, claimName: string, claim: UsableClaim): Promise<Verdict> {
  const size = await fileSize(claim.image);
  if (size === undefined) return { refused: `volume ${disk.name}: claim "${claimName}" holds no image on this node` };
  if (size < disk.sizeBytes) return refuseSize(disk, size);
  return { name: disk.name, path: claim.image, format: 'raw', driver: 'file', readOnly: disk.readOnly };
}
