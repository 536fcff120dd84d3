import type { MigrationVerification } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import type { Holdings } from './holdings.ts';

export interface InPlaceRecord {
  readonly record: 'mirroring' | 'pivoting' | 'done' | 'failed';
  readonly reason?: string;
  readonly moved?: readonly string[];
  /** While pivoting: which volume of a disk has everything. */
  readonly holdings?: Holdings;
  readonly verification?: MigrationVerification;
}

/** Our own file: written by this code in one piece, so its presence and kind are enough of a check. */
export function readInPlaceRecord(value: unknown): InPlaceRecord | undefined {
  return isObject(value) && typeof value['record'] === 'string' ? (value as unknown as InPlaceRecord) : undefined;
}
