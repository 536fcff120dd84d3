import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { ConvergencePolicy, DiskSituation } from '@godwit/migration';
import type { DiskMove } from '../disks/mirror-in-sync.ts';
import { mirrorInSync } from '../disks/mirror-in-sync.ts';
import { holdDisks, unlimitDisks } from './pivot-disks.ts';
import type { StillGuest } from './still-guest.ts';
import type { WriteLimits } from '../disks/write-limits.ts';

/**
 * Copies disks and resolves with the guest standing still and its requests for them held, both volumes of each equal;
 * whatever comes of it must follow at once. Disks that cannot be held are copied once more with the guest's writes. After
 * failure mirrors are left.
 */
export async function holdCopies(options: {
  readonly machine: Machine;
  readonly moves: readonly DiskMove[];
  readonly policy: ConvergencePolicy;
  readonly writes: WriteLimits;
  readonly guest: Pick<StillGuest, 'pause' | 'letRun'>;
  readonly onLook: Parameters<typeof mirrorInSync>[0]['onLook'];
  /** Before the guest waits for anything. */
  readonly onInSync: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly endsWithGuest: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<void> {
  const { machine, moves, policy, guest, signal, log } = options;
  const copy = async (begunAs: DiskSituation['mode']) => {
    await mirrorInSync({ ...options, begunAs });
    await options.onInSync();
    signal.throwIfAborted();
  };
  const hold = async () => {
    await unlimitDisks(machine, moves, policy);
    await guest.pause(machine);
    await holdDisks(machine, moves);
  };
  await copy('background');
  try {
    return await hold();
  } catch (error) {
    log.warn({ error: describeError(error) }, 'disks cannot be held, copying them with the writes of the guest');
  }
  for (const { name } of moves) await machine.cancelMirror(name);
  await guest.letRun(machine);
  await copy('synchronous');
  await hold();
}
