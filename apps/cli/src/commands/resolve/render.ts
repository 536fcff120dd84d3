import type { HandoverPlace, HandoverReport, HandoverRole } from '@godwit/api';

/** Seconds and minutes as people say them. */
export function ago(timestamp: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(timestamp)) / 1000));
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

function placeLine(role: HandoverRole, place: HandoverPlace, nowMs: number): string {
  const where = place.node === undefined ? 'no node' : `node ${place.node}`;
  if (place.elsewhere) return `  ${role}  ${where} of another cluster, which is not known here`;
  const seen = place.lastSeen === undefined ? 'never seen' : `last seen ${ago(place.lastSeen, nowMs)}`;
  const node = `${where} (${place.nodeReady ? 'ready' : 'not ready'}, ${seen})`;
  const { side } = place;
  if (!side) return `  ${role}  ${node}: unknown, ${place.silent ?? 'no answer'}`;
  const message = side.message === undefined ? '' : `. ${side.message}`;
  return `  ${role}  ${node}: ${side.phase}, its QEMU is ${side.guest}${message}`;
}

/** What is known of a handover, one line a side. */
export function handoverLines(what: string, report: HandoverReport, nowMs: number): string[] {
  const since = report.since === undefined ? '' : ` since ${report.since} (${ago(report.since, nowMs)})`;
  return [
    report.undecided
      ? `${what}: nobody knows which side has the guest${since}; it is paused`
      : `${what}: the migration is under way and needs no decision`,
    placeLine('source', report.source, nowMs),
    placeLine('target', report.target, nowMs),
  ];
}

/** What a human must make sure of, and why, before that side may run. */
export function fencingLines(run: HandoverRole, report: HandoverReport): string[] {
  const other: HandoverRole = run === 'source' ? 'target' : 'source';
  const node = report[other].node ?? 'unknown';
  const lost =
    run === 'source'
      ? 'Should the target have run already, its writes and memory since then are lost.'
      : 'The source must not be resumed any more; its memory is thrown away.';
  return [
    `If the ${run} runs and the ${other} (node ${node}) does too, both write to their disks and data is destroyed.`,
    `Make certain that the ${other}'s QEMU is gone and cannot come back: switch node ${node} off, or kill that process.`,
    lost,
  ];
}
