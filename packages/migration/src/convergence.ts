import type { MigrationConfiguration } from '@godwit/api';
import { quantityBytes } from '@godwit/core/quantity';

/**
 * How hard a migration tries to converge. QEMU stops the guest once it believes the rest travels within the downtime limit:
 * the limit starts low, so that an easy guest is hardly stopped at all, and doubles every second in which the passes over
 * memory do not get smaller any more, up to what policy bears. `tuning` has it rise in equal steps instead.
 */
export interface ConvergencePolicy {
  readonly startDowntimeMs: number;
  readonly maxDowntimeMs: number;
  readonly rampEveryMs: number;
  readonly tuning: DowntimeSteps | undefined;
  /** undefined: unlimited. */
  readonly bandwidthBytesPerSecond: number | undefined;
  readonly autoConverge: boolean;
  readonly allowPostCopy: boolean;
  /** Whether the guest may be paused once nothing else helps. */
  readonly allowWorkloadDisruption: boolean;
  /** A phase that has not got on (`observePhase`) for this long is stuck; 0: never. */
  readonly progressTimeoutMs: number;
  /** For disks and for memory, each from its own beginning; 0: no limit. */
  readonly completionTimeoutMsPerGiB: number;
  /** How long a guest may write more to its disks than is copied before something is done about it. */
  readonly settleMs: number;
  /** As long, once the guest's writes are limited: that shows at once. */
  readonly limitedSettleMs: number;
}

/** KubeVirt's `experimental.downtimeTuning` (VEP 291), whatever the passes over memory gain. */
export interface DowntimeSteps {
  readonly stepMs: number;
  /** The first step is taken `everyMs` after this pass has begun, the others one by one as long after each other. */
  readonly afterIteration: number;
  readonly everyMs: number;
}

const START_DOWNTIME_MS = 5;
/** KubeVirt's defaults of `downtimeTuning`. */
const TUNING = { initialMs: 150, steps: 7, startAfterIteration: 3, cooldownSeconds: 10 } as const;

/** Defaults as in KubeVirt: maxDowntimeMs 900, progressTimeout 150 s, completionTimeoutPerGiB 150 s. */
export function convergencePolicy(configuration: MigrationConfiguration): ConvergencePolicy {
  const maxDowntimeMs = configuration.maxDowntimeMs ?? 900;
  const bandwidth = quantityBytes(configuration.bandwidthPerMigration ?? '0');
  const asked = configuration.experimental?.downtimeTuning;
  const tuning = asked === undefined ? undefined : { ...TUNING, ...asked };
  const startDowntimeMs = Math.min(tuning?.initialMs ?? START_DOWNTIME_MS, maxDowntimeMs);
  return {
    startDowntimeMs,
    maxDowntimeMs,
    rampEveryMs: 1000,
    tuning: tuning && {
      stepMs: Math.ceil((maxDowntimeMs - startDowntimeMs) / Math.max(1, tuning.steps)),
      afterIteration: tuning.startAfterIteration,
      everyMs: tuning.cooldownSeconds * 1000,
    },
    bandwidthBytesPerSecond: bandwidth > 0 ? bandwidth : undefined,
    autoConverge: configuration.allowAutoConverge ?? false,
    allowPostCopy: configuration.allowPostCopy ?? false,
    // Unset follows allowPostCopy, as KubeVirt has it.
    allowWorkloadDisruption: configuration.allowWorkloadDisruption ?? configuration.allowPostCopy ?? false,
    progressTimeoutMs: (configuration.progressTimeout ?? 150) * 1000,
    completionTimeoutMsPerGiB: (configuration.completionTimeoutPerGiB ?? 150) * 1000,
    settleMs: 10_000,
    limitedSettleMs: 3000,
  };
}

export interface MemoryPass {
  readonly atMs: number;
  /** Number of the pass over memory; 1 sends everything. */
  readonly iteration: number;
  readonly bytesRemaining: number;
}

/** How memory converges so far. */
export interface Convergence {
  readonly limitMs: number;
  readonly iteration: number;
  /** What the smallest pass had to send. */
  readonly smallestBytes: number;
  /** When a pass was last a real gain, or the limit was raised; with `tuning` also when steps began to be counted. */
  readonly sinceMs: number;
}

/** A pass that has less than this share of the smallest one to send is a gain: waiting longer still pays. */
const GAIN = 0.7;

export function startConvergence(policy: ConvergencePolicy, atMs: number): Convergence {
  return {
    limitMs: policy.startDowntimeMs,
    iteration: 1,
    smallestBytes: Number.POSITIVE_INFINITY,
    sinceMs: atMs,
  };
}

/**
 * Looks at memory once more. A guest whose passes still shrink gets the time it takes: a raised limit would only stop it
 * for longer. Gains are at least three tenths each, so the limit does rise in the end.
 */
export function observeConvergence(policy: ConvergencePolicy, seen: Convergence, pass: MemoryPass): Convergence {
  if (pass.iteration <= seen.iteration) return seen;
  const { iteration } = pass;
  if (policy.tuning !== undefined) return takeStep(policy, policy.tuning, seen, pass);
  if (pass.bytesRemaining < seen.smallestBytes * GAIN)
    return { ...seen, iteration, smallestBytes: pass.bytesRemaining, sinceMs: pass.atMs };
  const doublings = Math.min(30, Math.floor((pass.atMs - seen.sinceMs) / policy.rampEveryMs));
  if (doublings < 1) return { ...seen, iteration };
  return {
    ...seen,
    iteration,
    limitMs: Math.min(policy.maxDowntimeMs, seen.limitMs * 2 ** doublings),
    sinceMs: pass.atMs,
  };
}

function takeStep(
  { maxDowntimeMs }: ConvergencePolicy,
  { afterIteration, everyMs, stepMs }: DowntimeSteps,
  seen: Convergence,
  { atMs, iteration }: MemoryPass,
): Convergence {
  if (iteration < afterIteration) return { ...seen, iteration };
  if (seen.iteration < afterIteration) return { ...seen, iteration, sinceMs: atMs };
  if (atMs - seen.sinceMs < everyMs) return { ...seen, iteration };
  return { ...seen, iteration, limitMs: Math.min(maxDowntimeMs, seen.limitMs + stepMs), sinceMs: atMs };
}
