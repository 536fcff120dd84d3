import { pause, type Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';

const RETRY_MS = 100;

/**
 * A guest whose processors stand still while its disks are held and pivoted: what it has not been told is nothing that a
 * volume must have. The guest stands still from `pause` until `letRun`.
 */
export interface StillGuest {
  /**
   * To be called before the disks are held, so that no request of the guest waits longer than it takes to hold them:
   * guests lose patience with their disks, and QEMU 7.2 was seen to die in the pivot when stopped with requests waiting.
   */
  pause(machine: Machine): Promise<void>;
  /** The guest goes on, whoever paused it for this: to be called once its disks are let go. Idempotent. */
  letRun(machine: Machine): Promise<void>;
  /** Milliseconds for which the guest stood still. */
  pausedMs(): number;
}

export function stillGuest(options: {
  /** Whether the guest ran when the move began: the pause of one that somebody else paused is not ours to end. */
  readonly pauses: () => boolean;
  /** The agent ends: nothing is tried any longer. */
  readonly closed: AbortSignal;
  readonly hindered: (why: string | undefined) => void;
  readonly clock: Clock;
}): StillGuest {
  const { pauses, closed, clock, hindered } = options;
  let pausedAtMs: number | undefined;
  let pausedMs = 0;
  return {
    async pause(machine) {
      if (!pauses()) return;
      pausedAtMs = clock.now();
      await machine.pause();
    },
    async letRun(machine) {
      if (!pauses()) return;
      for (let attempt = 0; ; attempt += 1) {
        try {
          if ((await machine.state()) === 'paused') await machine.resume();
          break;
        } catch (error) {
          if (closed.aborted) throw error;
          if ((await machine.state().catch(() => undefined)) === 'gone') break;
          if (attempt > 0) hindered(`The guest cannot be made to run again: ${describeError(error)}`);
          await pause(RETRY_MS, clock);
        }
      }
      if (pausedAtMs !== undefined) pausedMs += clock.now() - pausedAtMs;
      pausedAtMs = undefined;
      hindered(undefined);
    },
    pausedMs: () => pausedMs,
  };
}
