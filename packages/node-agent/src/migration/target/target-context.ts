import { isObject } from '@godwit/core/json';
import type { DiskBacking, MachineSpec } from '@godwit/hypervisor';
import type { Arrival, TargetRecord } from '@godwit/migration';
import type { LinkCredentials, MigrationIdentity } from '@godwit/migration-link';

/** What a restarted target agent needs to be found again by the source and to end the migration well. */
export interface TargetContext {
  readonly identity: MigrationIdentity;
  readonly directory: string;
  readonly host: string;
  readonly controlPort: number;
  readonly credentials: LinkCredentials;
  /** TCP without TLS, as the user asked for. */
  readonly plain?: boolean;
  /** Present once QEMU was started. */
  readonly prepared?: {
    readonly spec: MachineSpec;
    readonly backings: readonly DiskBacking[];
    /** Memory may come by post-copy. */
    readonly postCopy?: boolean;
    /** Somebody had paused the guest at its source. */
    readonly paused?: boolean;
  };
}

export interface TargetJournalRecord {
  readonly record: TargetRecord;
  readonly epoch: number;
  readonly reason?: string;
  readonly postCopy?: Arrival;
}

/** Our own file: written by this code in one piece, so its presence and kind are enough of a check. */
export function readTargetRecord(value: unknown): TargetJournalRecord | undefined {
  return isObject(value) && typeof value['record'] === 'string' && typeof value['epoch'] === 'number'
    ? (value as unknown as TargetJournalRecord)
    : undefined;
}
