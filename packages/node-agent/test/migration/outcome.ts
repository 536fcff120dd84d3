import { watchSerial } from '@godwit/hypervisor/testing';
import type { Machine } from '@godwit/hypervisor';
import { expect } from 'vitest';
import { expectAlive, type Rig } from './rig.ts';

export async function runs(machine: Machine | undefined): Promise<boolean> {
  return machine !== undefined && (await machine.state()) === 'running';
}

/** Exactly one side runs the guest, it makes progress, and its disk holds every write that any side acknowledged. */
export async function expectOneRunner(
  rig: Rig,
  source: Machine | undefined,
  target: Machine | undefined,
): Promise<'source' | 'target'> {
  const running = { source: await runs(source), target: await runs(target) };
  expect(running.source !== running.target, JSON.stringify(running)).toBe(true);
  using targetSerial = watchSerial(rig.targetDirectory);
  const acknowledged = Math.max(rig.serial.highest('W'), targetSerial.highest('W'));
  if (running.source && source !== undefined) await expectAlive(source, rig.serial, rig.sourceImage, acknowledged);
  if (running.target && target !== undefined) await expectAlive(target, targetSerial, rig.targetImage, acknowledged);
  return running.source ? 'source' : 'target';
}
