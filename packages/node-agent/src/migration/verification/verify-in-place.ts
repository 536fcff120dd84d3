import type { MigrationVerification } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';
import { failure } from '../copy-context.ts';
import type { DiskMove } from '../mirror-in-sync.ts';
import { startDigests, toDigest, verifyDisks, isComparable } from './verify.ts';

const RETRY_MS = 100;

/** Compares the old and new volumes of disks that are held. The guest stands still from `pause` until `letRun`. */
export interface HeldDisks {
  /**
   * To be called before the disks are held, so that no request of the guest waits longer than it takes to hold them:
   * guests lose patience with their disks, and QEMU 7.2 was seen to die in the pivot when stopped with requests waiting.
   */
  pause(machine: Machine): Promise<void>;
  /** Throws what makes the move fail: a difference, that nothing can be said, or what `check` throws. */
  compare(): Promise<MigrationVerification>;
  /** The guest goes on, whoever paused it for a comparison: to be called once its disks are let go. Idempotent. */
  letRun(machine: Machine): Promise<void>;
  /** Milliseconds for which the guest stood still. */
  pausedMs(): number;
}

export function holdForComparison(options: {
  readonly moves: readonly DiskMove[];
  /** Throws once the move is to be given up. */
  readonly check: () => void;
  /** The agent ends: nothing is tried any longer. */
  readonly closed: AbortSignal;
  readonly onVerified: (verification: MigrationVerification) => void;
  readonly hindered: (why: string | undefined) => void;
  readonly clock: Clock;
}): HeldDisks {
  const { moves, check, closed, clock, hindered } = options;
  const sides = (side: 'from' | 'to') => moves.map((move) => ({ backing: move[side], sizeBytes: move.sizeBytes }));
  let pausedAtMs: number | undefined;
  let pausedMs = 0;
  return {
    async pause(machine) {
      pausedAtMs = clock.now();
      await machine.pause();
    },
    async compare() {
      const target = () => startDigests(sides('to').filter(isComparable).map(toDigest));
      const verification = await verifyDisks({ disks: sides('from'), target, check, clock });
      options.onVerified(verification);
      if (verification.result === 'Different') throw failure(verification.message ?? 'The disks are different');
      return verification;
    },
    async letRun(machine) {
      for (let attempt = 0; ; attempt += 1) {
        try {
          if ((await machine.state()) === 'paused') await machine.resume();
          break;
        } catch (error) {
          if (closed.aborted) throw error;
          if ((await machine.state().catch(() => undefined)) === 'gone') break;
          if (attempt > 0) hindered(`The guest cannot be made to run again: ${describeError(error)}`);
          await new Promise((resolve) => clock.after(RETRY_MS, () => resolve(undefined)));
        }
      }
      if (pausedAtMs !== undefined) pausedMs += clock.now() - pausedAtMs;
      pausedAtMs = undefined;
      hindered(undefined);
    },
    pausedMs: () => pausedMs,
  };
}
