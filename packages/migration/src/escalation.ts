import type { ConvergencePolicy } from './convergence.ts';
import type { Judgement } from './deadlines.ts';

/*
 * What is done about a copy that does not converge, and in which order: the only place that knows (ADR 0005).
 *
 *   disks:   copy beside the guest ──does not converge──▶ take the guest's writes along ──▶ limit them, more and more ──▶ fail
 *   memory:  raise the downtime limit (`convergence.ts`) ──stuck or late──▶ post-copy, or pause the guest, or fail
 */

/**
 * `synchronise`: from now on every write of the guest goes to both sides; the rest then only shrinks. `limit-writes`: the
 * guest may write to its disks less than it does.
 */
export type DiskMeasure = 'wait' | 'synchronise' | 'limit-writes' | 'fail';

export interface DiskSituation {
  readonly judgement: Judgement;
  /** What is left does not get less from one sweep to the next. */
  readonly diverges: boolean;
  /** As it goes it will be late. */
  readonly lags: boolean;
  readonly mode: 'background' | 'synchronous';
  /** Whether there is time for what it takes to synchronise: before QEMU 8.2 another sweep. */
  readonly hasTime: boolean;
  /** Whether policy allows to limit what the guest writes (further), and that would change something. */
  readonly canLimitWrites: boolean;
}

export function nextDiskMeasure(situation: DiskSituation): DiskMeasure {
  const { judgement, diverges, lags, mode, hasTime, canLimitWrites } = situation;
  if (judgement === 'late') return 'fail';
  const isLost = diverges || judgement === 'stuck';
  // Only once, and never back: what a synchronous copy has left only shrinks.
  if (mode === 'background' && isLost && (hasTime || !canLimitWrites)) return 'synchronise';
  if (canLimitWrites && (isLost || lags)) return 'limit-writes';
  return judgement === 'stuck' ? 'fail' : 'wait';
}

export type MemoryMeasure = 'wait' | 'post-copy' | 'pause' | 'fail';

export interface MemorySituation {
  readonly judgement: Judgement;
  readonly postCopy: 'possible' | 'impossible' | 'running';
  /** The guest has been paused by an earlier measure. */
  readonly paused: boolean;
}

export function nextMemoryMeasure(
  policy: Pick<ConvergencePolicy, 'allowPostCopy' | 'allowWorkloadDisruption'>,
  { judgement, postCopy, paused }: MemorySituation,
): MemoryMeasure {
  // The guest needs both sides by then: its end is for the handover to decide.
  if (postCopy === 'running' || judgement === 'on') return 'wait';
  if (paused) return 'fail';
  if (policy.allowPostCopy && postCopy === 'possible') return 'post-copy';
  return policy.allowWorkloadDisruption ? 'pause' : 'fail';
}

/** Figures of a copy that is given up. */
export interface CopyFigures {
  /** Absent: not known. */
  readonly bytesRemaining?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly dirtyBytesPerSecond?: number | undefined;
}

/** Why disks are given up: `judged` (see `explainJudgement`), the numbers, and what would help. */
export function diskFailure(judged: string, figures: CopyFigures, policy: ConvergencePolicy): string {
  return `${judged}; ${numbers('disks', figures)}. ${remedies(
    limited(policy),
    'raise completionTimeoutPerGiB or progressTimeout',
    policy.autoConverge ? undefined : 'set allowAutoConverge',
    'let the guest write less',
  )}`;
}

export function memoryFailure(
  judged: string,
  figures: CopyFigures,
  policy: ConvergencePolicy,
  postCopyProblem?: string,
): string {
  const refused =
    policy.allowPostCopy && postCopyProblem !== undefined ? `, without post-copy, because ${postCopyProblem}` : '';
  return `${judged}; ${numbers('memory', figures)}, with ${policy.maxDowntimeMs} ms of downtime allowed${refused}. ${remedies(
    limited(policy),
    policy.autoConverge ? undefined : 'set allowAutoConverge',
    policy.allowPostCopy || postCopyProblem !== undefined ? undefined : 'set allowPostCopy',
    policy.allowWorkloadDisruption ? undefined : 'set allowWorkloadDisruption',
    'raise maxDowntimeMs',
  )}`;
}

function limited(policy: ConvergencePolicy): string | undefined {
  return policy.bandwidthBytesPerSecond === undefined
    ? undefined
    : `raise bandwidthPerMigration (${text(policy.bandwidthBytesPerSecond)}/s)`;
}

function remedies(...all: readonly (string | undefined)[]): string {
  const known = all.filter((one) => one !== undefined);
  const [first = ''] = known;
  const listed = known.length < 2 ? first : `${known.slice(0, -1).join(', ')}, or ${known.at(-1)}`;
  return listed.charAt(0).toUpperCase() + listed.slice(1);
}

function numbers(what: string, { bytesRemaining, bytesPerSecond, dirtyBytesPerSecond }: CopyFigures): string {
  if (bytesRemaining === undefined) return `QEMU has not said yet how much of ${what} there is`;
  const copied = bytesPerSecond === undefined ? '' : `, copied at ${text(bytesPerSecond)}/s`;
  const dirtied = dirtyBytesPerSecond === undefined ? '' : `, written by the guest at ${text(dirtyBytesPerSecond)}/s`;
  return `${text(bytesRemaining)} of ${what} remain${copied}${dirtied}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function text(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${UNITS[power] ?? 'B'}`;
}
