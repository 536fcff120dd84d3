import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** A third of a guest's weight when both want the same processor: late enough to be noticed by no guest, never starved. */
const NICE = 5;

/** The session a process belongs to, from its `/proc/<pid>/stat`: the sixth field, after a name that may hold spaces. */
export function sessionOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}

/**
 * Guests come first: gives way to them when processors are short, above all in the moments around a switchover. Linux
 * weighs sessions first where it groups them (`sched_autogroup_enabled`), then processes. The session of a guest is its
 * own and keeps its weight; a process that starts guests hands its niceness on to them, and therefore has none.
 */
export function yieldToGuests(options: { readonly startsGuests: boolean }): void {
  const leadsItsSession = sessionOf(readFileSync('/proc/self/stat', 'utf8')) === process.pid;
  if (leadsItsSession) {
    try {
      writeFileSync('/proc/self/autogroup', String(NICE));
    } catch {
      // A kernel that does not group sessions.
    }
  }
  if (!options.startsGuests) setPriority(NICE);
}
