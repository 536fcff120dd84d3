import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { ConvergencePolicy, ProgressReading } from '@godwit/migration';
import type { Carrier } from '@godwit/migration-link';
import type { MirrorSpeeds } from './disks/mirror-speeds.ts';
import type { Call } from './wire.ts';
import type { WriteLimits } from './disks/write-limits.ts';

/** How the guest gets to its target; `mode` of the VMI's migration state. */
export type MigrationMode = 'Paused' | 'PostCopy';

export interface SourceCopyOptions {
  readonly machine: Machine;
  readonly copyDisks: readonly string[];
  readonly policy: ConvergencePolicy;
  /** As the target has accepted. */
  readonly multifdChannels?: number;
  /** Being started; closed by whoever started it. */
  readonly carrier: Promise<Carrier>;
  readonly call: (call: Call, timeoutMs: number) => Promise<void>;
  readonly report: (reading: Omit<ProgressReading, 'atMs'>) => void;
  readonly mark: (step: string) => void;
  readonly onPaused: () => void;
  /** Looks whether both sides have the same disks, the guest paused and the copies complete; throws when they have not. */
  readonly verify?: (check: () => void) => Promise<void>;
  /** The guest is paused by policy, so that its memory converges; it stays so until the switchover, or until it is given back. */
  readonly onMode?: (mode: MigrationMode) => void;
  /** Why memory cannot come by post-copy; undefined: it can. */
  readonly postCopyProblem?: () => string | undefined;
  /** `split`: by post-copy, so that what is left is still being sent. */
  readonly onSent: (split: boolean) => void;
  readonly onFailed: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the parts of one copy share. */
export interface CopyContext extends SourceCopyOptions {
  readonly speeds: MirrorSpeeds;
  readonly writes: WriteLimits;
  /** Throws when the copy is over: given up, or cut off from the target. To be called before every step. */
  readonly check: () => void;
  /**
   * Resolves with the next event of QEMU, or after a short time: every wait looks at the world, none relies on events.
   * An event during the last look counts too, else the guest would stand still for nothing.
   */
  readonly next: () => Promise<void>;
  /** Whether memory can be sent after the switchover as well. */
  readonly postCopy: () => 'possible' | 'impossible' | 'running';
  readonly startPostCopy: () => Promise<void>;
  readonly pauseGuest: () => Promise<void>;
}

export const failure = (reason: string) => new GodwitError('MIGRATION_COPY_FAILED', reason);
