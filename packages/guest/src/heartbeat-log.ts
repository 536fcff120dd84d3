import type { OracleReport } from './report.ts';

/** A stretch of time without any sign of the guest, in milliseconds of the observer's clock. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly lengthMs: number;
}

export interface OracleSummary {
  readonly heartbeats: number;
  /** Heartbeat numbers that never arrived: datagrams that were dropped, most often while the guest moved. */
  readonly missing: number;
  /** Numbers seen twice or going back within one boot: two copies of the guest ran. Datagrams are not reordered on one host. */
  readonly regressions: number;
  /** In order of appearance; more than one means that the guest rebooted. */
  readonly bootIds: readonly string[];
  readonly acknowledged: number;
  readonly pagesChecked: number;
  readonly memoryErrors: number;
  readonly ioErrors: number;
}

/** What the guest said and when. Pure: the caller brings times, which must not go back. */
export class HeartbeatLog {
  readonly #times: number[] = [];
  readonly #bootIds: string[] = [];
  #last: OracleReport | undefined;
  #missing = 0;
  #regressions = 0;
  #acknowledged = 0;
  /** Counters restart with every boot; these are sums over the boots before the present one. */
  #before = { pages: 0, memory: 0, io: 0 };

  add(report: OracleReport, atMs: number): void {
    this.#times.push(atMs);
    const last = this.#last;
    if (last === undefined || !this.#bootIds.includes(report.bootId)) this.#boot(report);
    else if (report.bootId !== last.bootId || report.heartbeat <= last.heartbeat) {
      // An older boot speaking again, or a number again: in either case something runs that should not.
      this.#regressions++;
      return;
    } else this.#missing += report.heartbeat - last.heartbeat - 1;
    if (last !== undefined && report.acknowledged < this.#acknowledged && report.bootId === last.bootId)
      this.#regressions++;
    this.#acknowledged = Math.max(this.#acknowledged, report.acknowledged);
    this.#last = report;
  }

  #boot(report: OracleReport): void {
    this.#bootIds.push(report.bootId);
    const last = this.#last;
    if (last === undefined) return;
    this.#before.pages += last.pagesChecked;
    this.#before.memory += last.memoryErrors;
    this.#before.io += last.ioErrors;
  }

  get last(): OracleReport | undefined {
    return this.#last;
  }

  get lastAtMs(): number | undefined {
    return this.#times.at(-1);
  }

  summary(): OracleSummary {
    const last = this.#last;
    return {
      heartbeats: this.#times.length,
      missing: this.#missing,
      regressions: this.#regressions,
      bootIds: [...this.#bootIds],
      acknowledged: this.#acknowledged,
      pagesChecked: this.#before.pages + (last?.pagesChecked ?? 0),
      memoryErrors: this.#before.memory + (last?.memoryErrors ?? 0),
      ioErrors: this.#before.io + (last?.ioErrors ?? 0),
    };
  }

  /**
   * The longest silence that touches the window. A silence that began before it counts whole, and so does one that is still
   * going on at its end. Undefined while the guest has never been heard before the window's end.
   */
  longestGap(fromMs: number, toMs: number): Gap | undefined {
    let longest: Gap | undefined;
    const start = Math.max(0, lowerBound(this.#times, fromMs) - 1);
    for (let i = start; i < this.#times.length; i++) {
      const from = this.#times[i]!; // i is below the length
      if (from > toMs) break;
      const to = this.#times[i + 1] ?? Math.max(from, toMs);
      if (longest === undefined || to - from > longest.lengthMs)
        longest = { fromMs: from, toMs: to, lengthMs: to - from };
    }
    return longest;
  }
}

/** Index of the first time that is not before `wanted`. */
function lowerBound(times: readonly number[], wanted: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < wanted) low = middle + 1; // middle is below the length
    else high = middle;
  }
  return low;
}
