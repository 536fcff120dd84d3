import type { MigrationVerification } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import type { LinkCredentials, MigrationIdentity } from '@godwit/migration-link';
import type { SourceRecord } from '@godwit/migration';
import type { MigrationPorts } from '../types.ts';

/** What a restarted source agent needs to end its migration well. */
export interface SourceContext {
  readonly identity: MigrationIdentity;
  readonly directory: string;
  readonly copyDisks: readonly string[];
  readonly target: { readonly host: string; readonly ports: MigrationPorts };
  readonly credentials: LinkCredentials;
  readonly startedAtMs: number;
  /** TCP without TLS, as the user asked for. */
  readonly plain?: boolean;
  /** Post-copy may have begun. */
  readonly postCopy?: boolean;
  /** Somebody had paused the guest before. */
  readonly paused?: boolean;
}

export interface SourceJournalRecord {
  readonly record: SourceRecord;
  readonly epoch: number;
  readonly reason?: string;
  readonly settled?: boolean;
  readonly split?: boolean;
  readonly facts?: SourceFacts;
}

/** What the outcome reports, kept so that it survives a restart in the middle of the handover. */
export interface SourceFacts {
  readonly bytes: number;
  readonly stoppedAtMs?: number;
  readonly runningAtMs?: number;
  readonly verification?: MigrationVerification;
}

/** Our own file: written by this code in one piece, so its presence and kind are enough of a check. */
export function readSourceRecord(value: unknown): SourceJournalRecord | undefined {
  return isObject(value) && typeof value['record'] === 'string' && typeof value['epoch'] === 'number'
    ? (value as unknown as SourceJournalRecord)
    : undefined;
}
