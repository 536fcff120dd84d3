import { parseQuantity } from '@godwit/core/quantity';
import type { PersistentVolumeClaimInfo } from './kubevirt/migrated-volumes.ts';

const MIB = 2 ** 20;
/** Block volumes of the local provisioner are made of these. */
const BLOCK = 4096;

function bytesOf(quantity: string | undefined): number | undefined {
  return quantity === undefined ? undefined : Math.ceil(parseQuantity(quantity));
}

export type ClaimSizes = Pick<PersistentVolumeClaimInfo, 'volumeMode' | 'capacity' | 'requests' | 'filesystemOverhead'>;

/**
 * Bytes a guest's disk may have on a claim; undefined while neither size is known. A device is as big as its volume. An
 * image file gets the smaller of request and capacity without the filesystem's overhead (a fraction such as `0.05`), in
 * whole MiB.
 */
export function usableBytes({ volumeMode, capacity, requests, filesystemOverhead }: ClaimSizes): number | undefined {
  const size = bytesOf(capacity?.storage);
  const request = bytesOf(requests?.storage);
  if (volumeMode === 'Block') {
    if (size !== undefined) return size;
    return request === undefined ? undefined : Math.ceil(request / BLOCK) * BLOCK;
  }
  if (size === undefined && request === undefined) return undefined;
  const smaller = Math.min(size ?? Number.POSITIVE_INFINITY, request ?? Number.POSITIVE_INFINITY);
  return Math.floor((smaller * (1 - Number(filesystemOverhead ?? 0))) / MIB) * MIB;
}

/** The smallest request whose volume has `bytes` usable bytes: the inverse of `usableBytes`. */
export function requestFor(bytes: number, claim: Pick<ClaimSizes, 'volumeMode' | 'filesystemOverhead'>): number {
  if (claim.volumeMode === 'Block') return Math.ceil(bytes / BLOCK) * BLOCK;
  const whole = Math.ceil(bytes / MIB) * MIB;
  return Math.ceil(whole / (1 - Number(claim.filesystemOverhead ?? 0)) / MIB) * MIB;
}

/** Node annotation: bytes that the node can still give to volumes of a pool. */
export function freeBytesAnnotation(pool: 'node' | 'shared'): string {
  return `godwit.dev/free-bytes-${pool}`;
}
