import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { leadsItsSession } from '@godwit/core/process-identity';

/** A third of a guest's weight when both want the same processor: late enough to be noticed by no guest, never starved. */
const NICE = 5;

/**
 * Guests come first: gives way to them when processors are short, above all in the moments around a switchover. Linux
 * weighs sessions first where it groups them (`sched_autogroup_enabled`), then processes. The session of a guest is its
 * own and keeps its weight; a process that starts guests hands its niceness on to them, and therefore has none.
 */
export function yieldToGuests(options: { readonly startsGuests: boolean }): void {
  if (leadsItsSession(process.pid)) {
    try {
      writeFileSync('/proc/self/autogroup', String(NICE));
    } catch {
      // A kernel that does not group sessions.
    }
  }
  if (!options.startsGuests) setPriority(NICE);
}
