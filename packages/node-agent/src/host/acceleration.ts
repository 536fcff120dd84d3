import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '@godwit/core/json';
import { probeAcceleration } from '@godwit/hypervisor';
import type { AccelerationProbe } from '@godwit/hypervisor';
import type { AgentConfig } from '../config.ts';
import { writeDurably } from './files.ts';

async function remembered(path: string, bootId: string): Promise<AccelerationProbe | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isObject(value) || value.bootId !== bootId || typeof value.reason !== 'string') return undefined;
    return { acceleration: value.acceleration === 'kvm' ? 'kvm' : 'tcg', reason: value.reason };
  } catch {
    // Unreadable or absent: probe again.
    return undefined;
  }
}

/** How guests of this node run. A probe's answer holds until the host reboots and is kept beside the image cache. */
export async function chooseAcceleration(
  config: Pick<AgentConfig, 'acceleration' | 'qemuBinary' | 'directory'>,
  bootId: string,
): Promise<AccelerationProbe> {
  if (config.acceleration !== 'auto')
    return { acceleration: config.acceleration, reason: `the configuration says ${config.acceleration}` };
  const path = join(config.directory, 'acceleration.json');
  const known = await remembered(path, bootId);
  if (known) return known;
  const probed = await probeAcceleration(config.qemuBinary === undefined ? {} : { binary: config.qemuBinary });
  await writeDurably(path, `${JSON.stringify({ ...probed, bootId })}\n`);
  return probed;
}
