import type { MigrationConfiguration } from '@godwit/api';
import { quantityBytes } from '@godwit/core/quantity';

/**
 * How hard a migration tries to converge. QEMU stops the guest once it believes the rest travels within the downtime limit:
 * the limit starts low, so that an easy guest is hardly stopped at all, and doubles every second up to what policy bears.
 */
export interface ConvergencePolicy {
  readonly startDowntimeMs: number;
  readonly maxDowntimeMs: number;
  readonly rampEveryMs: number;
  /** undefined: unlimited. */
  readonly bandwidthBytesPerSecond: number | undefined;
  readonly autoConverge: boolean;
  /** Without any byte copied for this long the migration fails. */
  readonly progressTimeoutMs: number;
  readonly completionTimeoutMsPerGiB: number;
}

const START_DOWNTIME_MS = 30;
/** Defaults as in KubeVirt: maxDowntimeMs 900, progressTimeout 150 s, completionTimeoutPerGiB 150 s. */
export function convergencePolicy(configuration: MigrationConfiguration): ConvergencePolicy {
  const maxDowntimeMs = configuration.maxDowntimeMs ?? 900;
  const bandwidth = quantityBytes(configuration.bandwidthPerMigration ?? '0');
  return {
    startDowntimeMs: Math.min(START_DOWNTIME_MS, maxDowntimeMs),
    maxDowntimeMs,
    rampEveryMs: 1000,
    bandwidthBytesPerSecond: bandwidth > 0 ? bandwidth : undefined,
    autoConverge: configuration.allowAutoConverge ?? false,
    progressTimeoutMs: (configuration.progressTimeout ?? 150) * 1000,
    completionTimeoutMsPerGiB: (configuration.completionTimeoutPerGiB ?? 150) * 1000,
  };
}

/** The downtime limit after `elapsedMs` of copying memory. */
export function downtimeLimitMs(policy: ConvergencePolicy, elapsedMs: number): number {
  const doublings = Math.min(30, Math.floor(Math.max(0, elapsedMs) / policy.rampEveryMs));
  return Math.min(policy.maxDowntimeMs, policy.startDowntimeMs * 2 ** doublings);
}

export interface CopyObservation {
  readonly elapsedMs: number;
  /** Since a byte last moved forward. */
  readonly idleMs: number;
  /** Disks and memory together, as first measured. */
  readonly bytesTotal: number;
}

/** Why the copy must be given up now; undefined while it may go on. Zero timeouts mean no limit. */
export function copyDeadline(policy: ConvergencePolicy, seen: CopyObservation): string | undefined {
  const gib = Math.max(1, Math.ceil(seen.bytesTotal / 2 ** 30));
  const completionMs = policy.completionTimeoutMsPerGiB * gib;
  if (policy.progressTimeoutMs > 0 && seen.idleMs > policy.progressTimeoutMs)
    return `No progress for ${Math.floor(seen.idleMs / 1000)} s, progressTimeout is ${policy.progressTimeoutMs / 1000} s`;
  if (policy.completionTimeoutMsPerGiB > 0 && seen.elapsedMs > completionMs)
    return `Not complete after ${Math.floor(seen.elapsedMs / 1000)} s, completionTimeoutPerGiB allows ${completionMs / 1000} s for ${gib} GiB`;
  return undefined;
}
