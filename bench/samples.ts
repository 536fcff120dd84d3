/** What can be measured. `godwit-*` is the whole product, `raw-tls` the same engine without API server, controllers and agents. */
export const operations = [
  'godwit-tls',
  'godwit-plain',
  'godwit-in-place',
  'raw-tls',
  'virsh-tls',
  'virsh-plain',
  'virsh-blockcopy',
  'qemu-img',
  'nbdcopy',
] as const;
export type Operation = (typeof operations)[number];

/** All in milliseconds, except `allocation`: bytes allocated on the target per byte on the source. */
export interface Figures {
  /** From the request until whoever asked hears that it is done; the source's QEMU has ended by then. */
  readonly totalMs: number;
  /** From the request until the guest runs on the target. */
  readonly runsMs?: number;
  readonly firstByteMs?: number;
  /** The longest silence of a guest that sends a heartbeat every 5 ms. */
  readonly gapMs?: number;
  /** The longest silence from the pause for the switchover until shortly after the guest runs on the target; part of `gapMs`. */
  readonly switchGapMs?: number;
  /** The longest time in which none of the guest's synced writes was acknowledged. */
  readonly writeGapMs?: number;
  readonly allocation?: number;
}
export type Figure = keyof Figures;

export interface Sample {
  readonly case: string;
  readonly operation: Operation;
  readonly round: number;
  /** Ran to warm things up: reported, never judged. */
  readonly warmUp: boolean;
  /** Absent: nothing came of it. */
  readonly figures?: Figures;
  /** Why the sample does not count: the guest was lost, a write was missing, the move failed. */
  readonly void?: string;
}

export interface Results {
  readonly version: 1;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly cases: readonly { readonly name: string; readonly title: string }[];
  readonly samples: readonly Sample[];
  /** What could not be measured at all, and why. */
  readonly missing: readonly string[];
}

/** The values of one figure that count, in the order in which they were measured. */
export function values(
  samples: readonly Sample[],
  of: { readonly case: string; readonly operation: Operation; readonly figure: Figure },
): number[] {
  return samples.flatMap((sample) => {
    if (sample.case !== of.case || sample.operation !== of.operation) return [];
    if (sample.warmUp || sample.void !== undefined) return [];
    const value = sample.figures?.[of.figure];
    return value === undefined ? [] : [value];
  });
}
