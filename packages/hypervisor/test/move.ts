import { join } from 'node:path';
import { DISK, mirrorReady, memoryStatus, type RunningMachine } from './rig.ts';

const PARAMETERS = { downtimeLimitMs: 30, autoConverge: false };

/** Target side: offers its disk and waits for memory. */
export async function prepareTarget(target: RunningMachine): Promise<{ nbd: string; memory: string }> {
  const nbd = join(target.directory, 'nbd.sock');
  const memory = join(target.directory, 'mem.sock');
  await target.machine.exportDisks(nbd, [DISK]);
  return { nbd, memory };
}

export async function copyDisk(source: RunningMachine, nbd: string): Promise<void> {
  await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK });
  await mirrorReady(source.machine);
}

/** Up to the pause: afterwards the source waits in pre-switchover. */
export async function converge(source: RunningMachine, target: RunningMachine, memory: string): Promise<void> {
  await target.machine.acceptMemory(memory);
  await source.machine.startMemory(memory, PARAMETERS);
  await memoryStatus(source.machine, 'pre-switchover');
}

/** From the pause until the target has everything and could run. */
export async function handOver(source: RunningMachine, target: RunningMachine): Promise<void> {
  await source.machine.finishMirror(DISK);
  await target.machine.stopExport();
  await source.machine.continueSwitchover();
  await memoryStatus(source.machine, 'completed');
  await memoryStatus(target.machine, 'completed');
}
