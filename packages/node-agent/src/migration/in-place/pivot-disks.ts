import { describeError, GodwitError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';
import type { ConvergencePolicy } from '@godwit/migration';
import { holdingsNow, type Holdings } from './holdings.ts';
import type { DiskMove } from '../disks/mirror-in-sync.ts';

/** To be called before the guest waits: what is left is little. */
export async function unlimitDisks(
  machine: Machine,
  moves: readonly DiskMove[],
  policy: Pick<ConvergencePolicy, 'bandwidthBytesPerSecond'>,
): Promise<void> {
  if (policy.bandwidthBytesPerSecond !== undefined)
    await Promise.all(moves.map(({ name }) => machine.setMirrorSpeed(name, 0)));
}

/** Holds the guest's requests for all these disks, with both volumes of each equal. After failure some may be held. */
export async function holdDisks(machine: Machine, moves: readonly DiskMove[]): Promise<void> {
  const results = await Promise.allSettled(moves.map(({ name }) => machine.preparePivot(name)));
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    const message = `Disk ${moves[index]?.name} cannot be moved to ${moves[index]?.to.path}`;
    throw new GodwitError('MIGRATION_PIVOT_FAILED', message, { cause: result.reason });
  }
}

/**
 * Does with every disk that is held what the record says: pivots those that are not where it says, lets the others go.
 * Idempotent. Says what went wrong; the disks that are not where the record says then stay where they are.
 */
export async function settleHeld(
  machine: Machine,
  disks: readonly DiskMove[],
  holdings: Holdings,
): Promise<string | undefined> {
  const settle = async ({ name }: DiskMove, now: Holdings): Promise<string | undefined> => {
    try {
      if (now[name] === holdings[name]) await machine.cancelMirror(name);
      else await machine.commitPivot(name);
      return undefined;
    } catch (error) {
      return `Disk ${name} cannot be pivoted: ${describeError(error)}`;
    }
  };
  try {
    const now = holdingsNow(disks, await machine.backings());
    const failures = await Promise.all(disks.map((disk) => settle(disk, now)));
    return failures.find((failure) => failure !== undefined);
  } catch (error) {
    return describeError(error);
  }
}

/** Every disk goes on where it is. Names those of which QEMU did not let the mirror go. */
export async function cancelMirrors(
  machine: Machine,
  disks: readonly DiskMove[],
): Promise<readonly { readonly disk: string; readonly error: string }[]> {
  const results = await Promise.allSettled(disks.map(({ name }) => machine.cancelMirror(name)));
  return results.flatMap((result, index) =>
    result.status === 'fulfilled' ? [] : [{ disk: disks[index]?.name ?? '', error: describeError(result.reason) }],
  );
}
