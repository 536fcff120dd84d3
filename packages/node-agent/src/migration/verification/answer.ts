import type { MachineSpec, DiskBacking } from '@godwit/hypervisor';
import type { Question } from '../wire.ts';
import { isComparable, startDigests, toDigest, type DiskAt } from './verify.ts';

/** The target's side of a verification, for as long as the migration lasts. */
export interface Answerer {
  answer(question: Question): Promise<unknown>;
  stop(): Promise<void>;
}

/** `disks`: those that the source has copied. */
export function createAnswerer(disks: () => readonly DiskAt[]): Answerer {
  let digests: ReturnType<typeof startDigests> | undefined;
  let stopped = false;
  return {
    async answer(question) {
      if (stopped) throw new Error('The migration is over');
      // Asked anew, it reads anew: what was true before a link broke proves nothing.
      if (question.call === 'digests') {
        await digests?.stop();
        digests = startDigests(disks().filter(isComparable).map(toDigest));
        return digests.reports();
      }
      if (digests === undefined) throw new Error('No digests have been asked for');
      return Buffer.from(await digests.chunks(question.disk, question.from)).toString('hex');
    },
    async stop() {
      stopped = true;
      await digests?.stop();
    },
  };
}

/** Disks of a machine by name, with what its guest sees of them. */
export function disksAt(
  names: readonly string[],
  spec: Pick<MachineSpec, 'disks'>,
  backings: readonly DiskBacking[],
): readonly DiskAt[] {
  return names.flatMap((name) => {
    const disk = spec.disks.find((one) => one.name === name);
    const backing = backings.find((one) => one.name === name);
    return disk === undefined || backing === undefined ? [] : [{ backing, sizeBytes: disk.sizeBytes }];
  });
}
