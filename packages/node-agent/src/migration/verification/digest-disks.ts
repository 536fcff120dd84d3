import { Worker } from 'node:worker_threads';
import { describeError, GodwitError } from '@godwit/core/errors';

export interface DiskToDigest {
  readonly name: string;
  /** A raw image, or a block device. */
  readonly path: string;
  /** What the guest sees of it. */
  readonly sizeBytes: number;
}

export interface DiskDigests {
  readonly name: string;
  readonly bytes: number;
  /** Holes are not read. */
  readonly bytesRead: number;
  /** The file system cannot be read around the page cache: these bytes may be its, not the storage's. */
  readonly cached: boolean;
  readonly milliseconds: number;
  /** Of every chunk, one after the other. */
  readonly chunks: Uint8Array;
}

export type WorkerAnswer = DiskDigests;

export interface Digesting {
  /** Rejects with `MIGRATION_DIGEST_FAILED` when a disk cannot be read, and when it was stopped. */
  readonly done: Promise<readonly DiskDigests[]>;
  /** Resolves when nothing is read any more. */
  stop(): Promise<void>;
}

const WORKER = new URL('./digest-worker.ts', import.meta.url);

/** Reads disks one after the other, beside everything else that this process does. Nothing may write to them meanwhile. */
export function digestDisks(disks: readonly DiskToDigest[]): Digesting {
  const found: DiskDigests[] = [];
  const result = Promise.withResolvers<readonly DiskDigests[]>();
  const fail = (why: string, cause?: unknown) => {
    const disk = disks[found.length]?.name ?? '';
    const text = `The digest of disk ${disk} cannot be computed: ${why}`;
    result.reject(new GodwitError('MIGRATION_DIGEST_FAILED', text, { cause }));
  };
  result.promise.catch(() => undefined); // whoever stopped it does not ask
  const worker = new Worker(WORKER, { workerData: disks });
  worker.on('message', (answer: WorkerAnswer) => found.push(answer));
  worker.on('error', (error) => fail(describeError(error), error));
  worker.on('exit', () => (found.length === disks.length ? result.resolve(found) : fail('it was given up')));
  return {
    done: result.promise,
    async stop() {
      await worker.terminate();
    },
  };
}
