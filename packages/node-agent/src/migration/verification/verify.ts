import type { MigrationVerification, VolumeVerification } from '@godwit/api';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Clock } from '@godwit/core/clock';
import type { DiskBacking } from '@godwit/hypervisor';
import { verificationBudgetMs } from './budget.ts';
import { digestDisks, type DiskDigests, type DiskToDigest } from './digest-disks.ts';
import { DIGEST_BYTES, diskDigest, firstDifference, type Difference } from './digest.ts';
import { comparedVolume, differenceText, skippedVolume, verificationOf, type DiskReport } from './result.ts';

/** A disk of one side, and what the guest sees of it. */
export interface DiskAt {
  readonly backing: DiskBacking;
  readonly sizeBytes: number;
}

/** The target's half of a verification: digests of its own disks, and those of single chunks. */
export interface Counterpart {
  /** Of every disk that it can compare; begun at the call, at the same time as the source's. */
  reports(): Promise<readonly DiskReport[]>;
  /** Digests of chunks of a disk that was reported, from number `from` on; as many as it likes, at least one. */
  chunks(disk: string, from: number): Promise<Uint8Array>;
  /** Resolves when it reads nothing any more. */
  stop(): Promise<void>;
}

const CHECK_MS = 100;
const CHUNKS_PER_ANSWER = 4096;

/** Disks that can be compared byte by byte where they lie: what is in a qcow2 image is not where a guest sees it. */
export function isComparable({ backing }: DiskAt): boolean {
  return backing.format === 'raw';
}

export const toDigest = ({ backing, sizeBytes }: DiskAt): DiskToDigest => ({
  name: backing.name,
  path: backing.path,
  sizeBytes,
});

/** One side's half, computed by this process. */
export function startDigests(
  disks: readonly DiskToDigest[],
): Counterpart & { digests(): Promise<readonly DiskDigests[]> } {
  const digesting = digestDisks(disks);
  return {
    digests: () => digesting.done,
    reports: async () => (await digesting.done).map(reportOf),
    async chunks(disk, from) {
      const found = (await digesting.done).find(({ name }) => name === disk);
      return found?.chunks.subarray(from * DIGEST_BYTES, (from + CHUNKS_PER_ANSWER) * DIGEST_BYTES) ?? Buffer.alloc(0);
    },
    stop: () => digesting.stop(),
  };
}

/**
 * Compares the disks of both sides, as they are on the storage. Nothing may write to them meanwhile: the guest is paused and the
 * copy is complete. Both sides read at the same time. Resolves with what was found, differences too; rejects with
 * `MIGRATION_VERIFICATION_FAILED` when that cannot be found out in time, and with what `check` throws.
 */
export async function verifyDisks(options: {
  readonly disks: readonly DiskAt[];
  readonly target: () => Counterpart;
  /** Throws once the migration is over. */
  readonly check: () => void;
  readonly clock: Clock;
}): Promise<MigrationVerification> {
  const { disks, clock } = options;
  const comparable = disks.filter(isComparable);
  const bytes = comparable.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const begun = performance.now();
  if (comparable.length === 0) return verificationOf(disks.map(skipped), 0, clock.now());
  const mine = startDigests(comparable.map(toDigest));
  const theirs = options.target();
  try {
    const { volumes, message } = await withinBudget(compare(disks, mine, theirs), bytes, options.check);
    return verificationOf(volumes, performance.now() - begun, clock.now(), message);
  } finally {
    await Promise.all([mine.stop(), theirs.stop()]);
  }
}

async function compare(
  disks: readonly DiskAt[],
  mine: ReturnType<typeof startDigests>,
  theirs: Counterpart,
): Promise<{ volumes: VolumeVerification[]; message?: string }> {
  const [digests, reports] = await Promise.all([mine.digests(), theirs.reports()]);
  const volumes: VolumeVerification[] = [];
  const messages: string[] = [];
  for (const disk of disks) {
    const { name } = disk.backing;
    const own = digests.find((one) => one.name === name);
    const other = reports.find((one) => one.name === name);
    if (own === undefined || other === undefined) {
      volumes.push(own === undefined ? skipped(disk) : skippedVolume(name, 'its target is not a raw image'));
      continue;
    }
    const report = reportOf(own);
    const difference = report.digest === other.digest ? undefined : await locate(own, theirs);
    volumes.push(comparedVolume(report, other, difference));
    if (difference !== undefined) messages.push(differenceText(name, difference));
    else if (report.digest !== other.digest) messages.push(`The digests of volume ${name} are not alike`);
  }
  return messages.length === 0 ? { volumes } : { volumes, message: messages.join('; ') };
}

/** Where the target's disk is another for the first time. */
async function locate({ name, bytes, chunks }: DiskDigests, theirs: Counterpart): Promise<Difference | undefined> {
  for (let from = 0; from * DIGEST_BYTES < chunks.length;) {
    const answer = await theirs.chunks(name, from);
    if (answer.length < DIGEST_BYTES) return undefined;
    const same = chunks.subarray(from * DIGEST_BYTES, from * DIGEST_BYTES + answer.length);
    const difference = firstDifference(same, answer, from, bytes);
    if (difference !== undefined) return difference;
    from += Math.floor(answer.length / DIGEST_BYTES);
  }
  return undefined;
}

/** Ends with `work`, with what `check` throws, or when the time that so many bytes may take is over. */
async function withinBudget<T>(work: Promise<T>, bytes: number, check: () => void): Promise<T> {
  const budgetMs = verificationBudgetMs(bytes);
  const late = performance.now() + budgetMs;
  const end = Promise.withResolvers<never>();
  const timer = setInterval(() => {
    try {
      check();
      if (performance.now() > late) throw tooLate(bytes, budgetMs);
    } catch (error) {
      end.reject(error as Error);
    }
  }, CHECK_MS);
  try {
    return await Promise.race([work, end.promise]);
  } catch (cause) {
    check();
    if (cause instanceof GodwitError && cause.code === 'MIGRATION_VERIFICATION_FAILED') throw cause;
    const text = `The disks cannot be compared: ${describeError(cause)}`;
    throw new GodwitError('MIGRATION_VERIFICATION_FAILED', text, { cause });
  } finally {
    clearInterval(timer);
  }
}

function tooLate(bytes: number, budgetMs: number): GodwitError<'MIGRATION_VERIFICATION_FAILED'> {
  const text = `The disks cannot be compared: ${bytes} bytes took longer than ${budgetMs} ms`;
  return new GodwitError('MIGRATION_VERIFICATION_FAILED', text);
}

function reportOf({ chunks, ...rest }: DiskDigests): DiskReport {
  return { ...rest, digest: diskDigest(chunks) };
}

function skipped({ backing }: DiskAt): VolumeVerification {
  return skippedVolume(backing.name, `${backing.format} images are not compared`);
}
