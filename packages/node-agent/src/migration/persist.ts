import { pause, type Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';

const AGAIN_MS = 200;

export interface PersistOptions {
  /** What cannot be done, for whoever waits: it is followed by the reason. */
  readonly hindrance: string;
  /** The agent ends: its successor does what is left. */
  readonly closed: AbortSignal;
  readonly hindered: (why: string | undefined) => void;
  readonly clock: Clock;
}

/**
 * Asks something of QEMU for as long as it lives: nothing else can give the guest what it needs. Resolves with undefined
 * when it is gone; rejects only when closed.
 */
export async function persist<T>(
  machine: Pick<Machine, 'state'>,
  work: () => Promise<T>,
  { hindrance, closed, hindered, clock }: PersistOptions,
): Promise<T | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const result = await work();
      if (attempt > 0) hindered(undefined);
      return result;
    } catch (error) {
      if (closed.aborted) throw error;
      if ((await machine.state().catch(() => undefined)) === 'gone') return undefined;
      hindered(`${hindrance}: ${describeError(error)}`);
      await pause(AGAIN_MS, clock);
    }
  }
}
