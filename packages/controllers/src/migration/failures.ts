import { findCondition } from '@godwit/api';
import type { VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';

/** What kind of failure ended a migration, in one word for conditions, and whether another attempt would end the same way. */
export interface FailureClass {
  readonly name: string;
  /** Nothing but a change by somebody can make another attempt succeed. */
  readonly permanent: boolean;
}

const PERMANENT: readonly string[] = [
  'NotLiveMigratable',
  'TargetTooSmall',
  'TargetNotReachable',
  'VolumeMissing',
  'NotSupported',
  'SameVolume',
];

/** Codes of node agents that mean: never, as things are described. */
const CODES: Readonly<Record<string, string>> = {
  MACHINE_UNSUPPORTED: 'NotSupported',
  HYPERVISOR_SPEC_UNSUPPORTED: 'NotSupported',
};

/** Outcomes of a copy are told in words; these say what kind they are of. The first that matches counts. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/target (?:of disk \S+ )?has \d+ bytes, \d+ are needed/, 'TargetTooSmall'],
  [/no space left|the target of disk \S+ is full/i, 'TargetFull'],
  [/is both source and target/, 'SameVolume'],
  [/cannot be copied/, 'NotSupported'],
  [/is paused; its disks can be compared/, 'GuestPaused'],
  [/input\/output error/i, 'StorageError'],
  [/aborted/i, 'Aborted'],
  [/node \S+ is silent/i, 'NodeLost'],
  [/deadline|in time\b|time-?out|timed out|did not converge/i, 'Timeout'],
];

/** Class of a failed record. */
export function classOfRecord(state: VmiMigrationState): FailureClass {
  const text = state.failureReason ?? '';
  const name =
    CODES[state.failureCode ?? ''] ?? WORDS.find(([pattern]) => pattern.test(text))?.[1] ?? 'MigrationFailed';
  return { name, permanent: PERMANENT.includes(name) };
}

/** Class of a migration that has failed: the controller's own reason, or what the agents' record says. */
export function classOf({ status }: VirtualMachineInstanceMigration): FailureClass {
  const reason = findCondition(status?.conditions, 'migrationFailed')?.reason;
  if (reason !== undefined && reason !== 'MigrationFailed')
    return { name: reason, permanent: PERMANENT.includes(reason) };
  return classOfRecord(status?.migrationState ?? {});
}
