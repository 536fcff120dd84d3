import { join } from 'node:path';
import { describeError } from '@godwit/core/errors';
import { measureBacking, type DiskBacking, type Machine, type MachineSpec } from '@godwit/hypervisor';
import type { CarrierConfig } from '@godwit/migration-link';
import type { TargetOptions } from '../types.ts';
import type { Offer } from '../wire.ts';

/** QEMU's own sockets in the run directory of the target. */
export const qemuSockets = (directory: string): CarrierConfig['sockets'] => ({
  memory: join(directory, 'qm.sock'),
  block: join(directory, 'qb.sock'),
});

export type Prepared =
  | {
      readonly machine: Machine;
      readonly spec: MachineSpec;
      readonly backings: readonly DiskBacking[];
      readonly postCopy: boolean;
    }
  | { readonly refused: string };

/** Volumes, then QEMU, then its exports and the memory listener. A refusal leaves no process behind. */
export async function prepareTarget(
  options: TargetOptions,
  offer: Offer,
  onLaunched: (machine: Machine) => void,
): Promise<Prepared> {
  const answer = await options.prepare({ spec: offer.spec, copyDisks: offer.copyDisks });
  if ('refused' in answer) return answer;
  const { backings } = answer;
  const spec = answer.spec ?? offer.spec;
  const problem = await sizeProblem(spec, offer.copyDisks, backings);
  if (problem !== undefined) return { refused: problem };
  let machine: Machine | undefined;
  try {
    const { hypervisor, acceleration, directory } = options;
    machine = await hypervisor.launch({ spec, backings, acceleration, directory, mode: 'incoming' });
    onLaunched(machine);
    const sockets = qemuSockets(directory);
    if (offer.copyDisks.length > 0) await machine.exportDisks(sockets.block, offer.copyDisks);
    const { multifdChannels = 0 } = offer;
    const { postCopy } = await machine.acceptMemory(sockets.memory, {
      postCopy: offer.postCopy === true,
      multifdChannels,
    });
    return { machine, spec, backings, postCopy };
  } catch (error) {
    await machine?.kill();
    return { refused: `The target cannot be started: ${describeError(error)}` };
  }
}

async function sizeProblem(
  spec: MachineSpec,
  copyDisks: readonly string[],
  backings: readonly DiskBacking[],
): Promise<string | undefined> {
  for (const disk of spec.disks) {
    const backing = backings.find((one) => one.name === disk.name);
    if (backing === undefined) return `The target has no volume for disk ${disk.name}`;
    if (!copyDisks.includes(disk.name)) continue;
    const bytes = await measureBacking(backing);
    if (bytes < disk.sizeBytes)
      return `The target of disk ${disk.name} has ${bytes} bytes, ${disk.sizeBytes} are needed`;
  }
  return undefined;
}
