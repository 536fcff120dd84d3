import type { MigrationVerification } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { failure } from '../copy-context.ts';
import type { DiskMove } from '../disks/mirror-in-sync.ts';
import { startDigests, toDigest, verifyDisks, isComparable } from './verify.ts';

/**
 * Compares the old and new volumes of disks that are held, their guest standing still. Throws what makes the move fail: a
 * difference, that nothing can be said, or what `check` throws.
 */
export async function compareHeld(options: {
  readonly moves: readonly DiskMove[];
  /** Throws once the move is to be given up. */
  readonly check: () => void;
  readonly onVerified: (verification: MigrationVerification) => void;
  readonly clock: Clock;
}): Promise<void> {
  const { moves, check, clock } = options;
  const sides = (side: 'from' | 'to') => moves.map((move) => ({ backing: move[side], sizeBytes: move.sizeBytes }));
  const target = () => startDigests(sides('to').filter(isComparable).map(toDigest));
  const verification = await verifyDisks({ disks: sides('from'), target, check, clock });
  options.onVerified(verification);
  if (verification.result === 'Different') throw failure(verification.message ?? 'The disks are different');
}
