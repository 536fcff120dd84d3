import type { ConvergencePolicy } from './convergence.ts';

/**
 * How one phase of a copy gets on. Progress is a new minimum of what remains: bytes that are copied a second time because
 * the guest has written them again are none.
 *
 * Memory goes in passes, and within a pass the rest falls whatever the guest does: only a pass that began with less than
 * every pass before it counts, and the first. Disks are one pass.
 */
export interface PhaseWatch {
  readonly phase: 'disks' | 'memory';
  readonly startedMs: number;
  /** The most that was ever left to copy: all of it, as soon as that is known. */
  readonly sizeBytes: number;
  readonly pass: number;
  /** What the smallest pass had to send. */
  readonly smallestPassBytes: number;
  /** Whether the present pass is a gain. */
  readonly gaining: boolean;
  readonly leastBytes: number;
  readonly progressedMs: number;
}

export interface PhaseReading {
  readonly atMs: number;
  readonly bytesRemaining: number;
  /** Absent: the first. */
  readonly pass?: number;
}

/** `stuck`: nothing gained for the progress timeout. `late`: the time for the whole phase is over. */
export type Judgement = 'on' | 'stuck' | 'late';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** A gain is as much as this, this share of the whole, or this share of what remains, whichever is least. */
const STEP_BYTES = 16 * MIB;
const STEP_OF_SIZE = 0.01;
const STEP_OF_REST = 0.1;

export function watchPhase(phase: PhaseWatch['phase'], startedMs: number, sizeBytes = 0): PhaseWatch {
  return {
    phase,
    startedMs,
    sizeBytes,
    pass: 1,
    smallestPassBytes: Number.POSITIVE_INFINITY,
    gaining: true,
    leastBytes: Number.POSITIVE_INFINITY,
    progressedMs: startedMs,
  };
}

/** The phase goes on by other means: from here on it may progress anew. The time for the whole does not begin again. */
export function watchAgain(watch: PhaseWatch, atMs: number): PhaseWatch {
  const { phase, startedMs, sizeBytes, pass } = watch;
  return { ...watchPhase(phase, startedMs, sizeBytes), pass, progressedMs: atMs };
}

export function observePhase(watch: PhaseWatch, { atMs, bytesRemaining, pass = 1 }: PhaseReading): PhaseWatch {
  const sizeBytes = Math.max(watch.sizeBytes, bytesRemaining);
  const seen = { ...watch, sizeBytes };
  if (pass > watch.pass) {
    // What the first pass began with is the whole.
    const smallest = Math.min(watch.smallestPassBytes, sizeBytes);
    const gaining = bytesRemaining <= smallest - step(smallest, sizeBytes);
    const smallestPassBytes = Math.min(smallest, bytesRemaining);
    const progressedMs = gaining ? atMs : watch.progressedMs;
    return { ...seen, pass, gaining, smallestPassBytes, leastBytes: bytesRemaining, progressedMs };
  }
  const isFirst = watch.leastBytes === Number.POSITIVE_INFINITY;
  if (!watch.gaining || (!isFirst && bytesRemaining > watch.leastBytes - step(watch.leastBytes, sizeBytes)))
    return seen;
  return { ...seen, leastBytes: bytesRemaining, progressedMs: atMs };
}

function step(restBytes: number, sizeBytes: number): number {
  return Math.max(1, Math.min(STEP_BYTES, sizeBytes * STEP_OF_SIZE, restBytes * STEP_OF_REST));
}

/** Time outs of zero mean no limit. `extended`: the phase got as much time again. */
export function judge(policy: Timeouts, watch: PhaseWatch, nowMs: number, extended = false): Judgement {
  const budget = budgetMs(policy, watch) * (extended ? 2 : 1);
  if (budget > 0 && nowMs - watch.startedMs > budget) return 'late';
  return policy.progressTimeoutMs > 0 && nowMs - watch.progressedMs > policy.progressTimeoutMs ? 'stuck' : 'on';
}

type Timeouts = Pick<ConvergencePolicy, 'progressTimeoutMs' | 'completionTimeoutMsPerGiB'>;

/** Time for the whole phase; 0: no limit. */
export function budgetMs(policy: Timeouts, watch: PhaseWatch): number {
  return policy.completionTimeoutMsPerGiB * sizeGiB(watch);
}

/** When the time for the whole phase is over. */
export function deadlineMs(policy: Timeouts, watch: PhaseWatch): number {
  const budget = budgetMs(policy, watch);
  return budget === 0 ? Number.POSITIVE_INFINITY : watch.startedMs + budget;
}

function sizeGiB({ sizeBytes }: PhaseWatch): number {
  return Math.max(1, Math.ceil(sizeBytes / GIB));
}

/** The numbers behind a judgement, for people. */
export function explainJudgement(
  policy: Timeouts,
  watch: PhaseWatch,
  nowMs: number,
  judgement: 'stuck' | 'late',
): string {
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  if (judgement === 'stuck')
    return `No progress for ${seconds(nowMs - watch.progressedMs)} s, progressTimeout is ${policy.progressTimeoutMs / 1000} s`;
  const budget = budgetMs(policy, watch) / 1000;
  return `Not complete after ${seconds(nowMs - watch.startedMs)} s, completionTimeoutPerGiB allows ${budget} s for ${sizeGiB(watch)} GiB of ${watch.phase === 'disks' ? 'disks' : 'memory'}`;
}
