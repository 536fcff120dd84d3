import type { Logger } from '@godwit/core/logger';
import { insist } from './insist.ts';

/**
 * Repeats a write of a migration's journal until it holds, the agent's end or not: what comes after it must not happen before.
 * `hindered` hears why it takes long, and `undefined` when it is overcome.
 */
export async function durably(
  write: () => Promise<void>,
  log: Logger,
  hindered: (why: string | undefined) => void = () => undefined,
): Promise<void> {
  const hindrance = 'The journal of the migration cannot be written';
  return insist(write, { hindrance, stopped: () => false, hindered, log, longestPauseMs: 5000 });
}
