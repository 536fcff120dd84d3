import type { DiskVerdict, OracleSummary } from '@godwit/guest';

export type MoveKind = 'storage' | 'node' | 'cluster';

/** What was seen of one move from outside, before any arithmetic. */
export interface MeasuredMove {
  readonly kind: MoveKind;
  readonly from: string;
  readonly to: string;
  /** From the request to the moved guest being reported as such. */
  readonly totalMs: number;
  /** As the migration reported them, holes and zeroes left out; absent when it did not. */
  readonly bytes: number | undefined;
  readonly downtimeMs: number | undefined;
  /** Between one QEMU's STOP and the next RESUME, by QEMU's own clock stamps; absent when nothing stopped. */
  readonly pauseMs: number | undefined;
  /** The longest silence of the guest while it moved; absent when it was never heard. */
  readonly guestGapMs: number | undefined;
}

export interface ReportedMove {
  readonly kind: MoveKind;
  readonly from: string;
  readonly to: string;
  readonly totalMs: number;
  readonly bytes: number;
  readonly bytesPerSecond: number;
  readonly downtimeMs: number;
  readonly guestGapMs: number;
}

/** The JSON that `--json` writes. */
export interface DemoReport {
  readonly moves: readonly ReportedMove[];
  readonly oracle: { readonly acknowledged: number; readonly lost: number; readonly corrupt: number };
  readonly reboots: number;
  readonly runnersMax: number;
}

const round = (value: number): number => Math.round(value * 10) / 10;

export function reportMove(move: MeasuredMove): ReportedMove {
  const bytes = move.bytes ?? 0;
  return {
    kind: move.kind,
    from: move.from,
    to: move.to,
    totalMs: Math.round(move.totalMs),
    bytes,
    bytesPerSecond: move.totalMs > 0 ? Math.round((bytes * 1000) / move.totalMs) : 0,
    // A move in which no QEMU ever stopped has no downtime, and QEMU reports none.
    downtimeMs: round(move.downtimeMs ?? move.pauseMs ?? 0),
    guestGapMs: round(move.guestGapMs ?? move.totalMs),
  };
}

export interface Findings {
  readonly moves: readonly MeasuredMove[];
  readonly guest: OracleSummary;
  readonly disk: DiskVerdict;
  readonly runnersMax: number;
}

export function demoReport({ moves, guest, disk, runnersMax }: Findings): DemoReport {
  return {
    moves: moves.map(reportMove),
    oracle: { acknowledged: guest.acknowledged, lost: disk.lost, corrupt: disk.corrupt },
    reboots: Math.max(0, guest.bootIds.length - 1),
    runnersMax,
  };
}

/** Everything that makes the run a failure, one sentence each; none means that nothing was lost. */
export function problems({ guest, disk, runnersMax }: Findings): readonly string[] {
  const found: string[] = [];
  if (guest.acknowledged === 0) found.push('The guest never acknowledged a write.');
  if (disk.lost > 0) found.push(`${disk.lost} acknowledged writes are missing from the final disk.`);
  if (disk.corrupt > 0) found.push(`${disk.corrupt} blocks of the final disk hold something the guest never wrote.`);
  if (guest.bootIds.length > 1) found.push(`The guest rebooted ${guest.bootIds.length - 1} times.`);
  if (guest.regressions > 0)
    found.push(`The guest's heartbeat went back or was heard twice ${guest.regressions} times.`);
  if (guest.memoryErrors > 0) found.push(`The guest found ${guest.memoryErrors} pages of its memory changed.`);
  if (runnersMax > 1) found.push(`${runnersMax} copies of the guest ran at the same time.`);
  if (runnersMax < 1) found.push('No QEMU of the guest was seen running, so nothing is known about copies.');
  return found;
}
