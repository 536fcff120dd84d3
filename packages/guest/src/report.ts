/** One datagram of the guest: its heartbeat and counters at that moment. */
export interface OracleReport {
  readonly runId: string;
  /** Random per boot. */
  readonly bootId: string;
  /** Counts from 1 in every boot. */
  readonly heartbeat: number;
  /** Every write up to this number is on stable storage. */
  readonly acknowledged: number;
  readonly pagesChecked: number;
  readonly memoryErrors: number;
  readonly ioErrors: number;
  /** The guest's own monotonic clock. */
  readonly guestMicroseconds: number;
}

const pattern = /^GWO1 ([0-9a-f]{16}) ([0-9a-f-]{36}) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/;

/** The report, or undefined when the datagram is not one. */
export function parseReport(text: string): OracleReport | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [runId = '', bootId = ''] = match.slice(1);
  const [heartbeat = 0, acknowledged = 0, pagesChecked = 0, memoryErrors = 0, ioErrors = 0, guestMicroseconds = 0] =
    match.slice(3).map(Number);
  return { runId, bootId, heartbeat, acknowledged, pagesChecked, memoryErrors, ioErrors, guestMicroseconds };
}
