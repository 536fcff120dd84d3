import { constants } from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { hypervisorError } from './errors.ts';
import type { DiskBacking } from './contract/disk-backing.ts';
import type { DiskSpec } from './contract/machine-spec.ts';

const QCOW2_MAGIC = 0x51_46_49_fb;
const SECTOR = 512;

/**
 * Bytes that the backing can show to a guest: the file's or device's length, or the virtual size of a qcow2 image.
 * Rejects with `HYPERVISOR_BACKING_UNUSABLE`.
 */
export async function measureBacking(backing: DiskBacking): Promise<number> {
  try {
    await using file = await open(backing.path, constants.O_RDONLY);
    return backing.format === 'qcow2' ? await qcow2VirtualSize(file) : await length(file);
  } catch (cause) {
    throw hypervisorError('HYPERVISOR_BACKING_UNUSABLE', `The ${backing.format} disk ${backing.path} cannot be read`, {
      details: { disk: backing.name, path: backing.path },
      cause,
    });
  }
}

/** As `measureBacking`, and rejects too when it is smaller than the disk it must hold. */
export async function measureBackingFor(spec: DiskSpec, backing: DiskBacking): Promise<number> {
  const bytes = await measureBacking(backing);
  if (bytes >= spec.sizeBytes) return bytes;
  throw hypervisorError(
    'HYPERVISOR_BACKING_UNUSABLE',
    `${backing.path} holds ${bytes} bytes, but disk ${spec.name} has ${spec.sizeBytes}`,
    { details: { disk: spec.name, path: backing.path, bytes, wanted: spec.sizeBytes } },
  );
}

async function length(file: FileHandle): Promise<number> {
  const stat = await file.stat();
  if (!stat.isBlockDevice()) return Math.ceil(stat.size / SECTOR) * SECTOR;
  const major = Math.floor(stat.rdev / 256) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((Math.floor(stat.rdev / 4096) >>> 0) & 0xffffff00);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * SECTOR;
}

async function qcow2VirtualSize(file: FileHandle): Promise<number> {
  const header = Buffer.alloc(32);
  await file.read(header, 0, header.length, 0);
  if (header.readUInt32BE(0) !== QCOW2_MAGIC) throw new Error('not a qcow2 image');
  return Number(header.readBigUInt64BE(24));
}
