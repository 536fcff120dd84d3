import type { MigrationVerification, VolumeVerification } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import type { Difference } from './digest.ts';

/** What one side says about one disk. */
export interface DiskReport {
  readonly name: string;
  readonly bytes: number;
  readonly bytesRead: number;
  readonly cached: boolean;
  readonly milliseconds: number;
  readonly digest: string;
}

/** Both sides have read the disk. */
export function comparedVolume(source: DiskReport, target: DiskReport, difference?: Difference): VolumeVerification {
  return {
    name: source.name,
    result: source.digest === target.digest ? 'Identical' : 'Different',
    bytes: source.bytes,
    bytesRead: target.bytesRead,
    digest: source.digest,
    ...(source.digest !== target.digest && { targetDigest: target.digest }),
    ...(difference && { differenceAt: difference.offset }),
    milliseconds: Math.max(source.milliseconds, target.milliseconds),
    ...((source.cached || target.cached) && { cached: true }),
  };
}

export function skippedVolume(name: string, message: string): VolumeVerification {
  return { name, result: 'Skipped', bytes: 0, bytesRead: 0, milliseconds: 0, message };
}

export function verificationOf(
  volumes: readonly VolumeVerification[],
  milliseconds: number,
  nowMs: number,
  message?: string,
): MigrationVerification {
  return {
    result: overall(volumes),
    ...(message !== undefined && { message }),
    verifiedAt: rfc3339(nowMs),
    milliseconds: Math.round(milliseconds),
    volumes: [...volumes],
  };
}

function overall(volumes: readonly VolumeVerification[]): MigrationVerification['result'] {
  if (volumes.length === 0) return 'NothingCopied';
  if (volumes.some(({ result }) => result === 'Different')) return 'Different';
  return volumes.every(({ result }) => result === 'Identical') ? 'Identical' : 'Partial';
}

export function differenceText(volume: string, difference: Difference): string {
  const { offset, bytes, source, target } = difference;
  return `The target of volume ${volume} is not identical to its source: SHA-256 of the ${bytes} bytes at offset ${offset} is ${source} on the source and ${target} on the target`;
}
