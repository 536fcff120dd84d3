import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { Logger } from '@godwit/core/logger';
import { probeProcessor } from '@godwit/hypervisor';
import type { Acceleration, ProcessorProbe } from '@godwit/hypervisor';
import type { AgentConfig } from '../config.ts';
import { DEFAULT_QEMU, keyOf, qemuPath } from './acceleration.ts';

/** A node that does not know says nothing, and nothing is asked of others on its behalf. */
const UNKNOWN: ProcessorProbe = { cpuModels: [], machineTypes: [] };

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

async function remembered(path: string): Promise<ProcessorProbe | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isObject(value) || !isTexts(value['cpuModels']) || !isTexts(value['machineTypes'])) return undefined;
    return { cpuModels: value['cpuModels'], machineTypes: value['machineTypes'] };
  } catch {
    // Unreadable or absent: probe.
    return undefined;
  }
}

/** CPU models and machine types of this node's guests, asked of QEMU once per binary and boot. Never rejects. */
export async function knowProcessor(
  config: Pick<AgentConfig, 'qemuBinary' | 'directory' | 'cacheDirectory'>,
  surroundings: {
    readonly bootId: string;
    readonly searchPath: string;
    readonly acceleration: Acceleration;
    readonly log: Logger;
    /** Default: asks QEMU. */
    readonly probe?: typeof probeProcessor;
  },
): Promise<ProcessorProbe> {
  const { acceleration, log, probe = probeProcessor } = surroundings;
  try {
    const directory = config.cacheDirectory ?? config.directory;
    const binary = await qemuPath(config.qemuBinary ?? DEFAULT_QEMU, surroundings.searchPath);
    const path = join(directory, `processor-${acceleration}-${await keyOf(binary, surroundings.bootId)}.json`);
    const known = await remembered(path);
    if (known) return known;
    const probed = await probe({ acceleration, binary });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Several agents may write; each has its own temporary file, and readers see a whole one.
    const temporary = `${path}.${randomUUID()}`;
    await writeFile(temporary, `${JSON.stringify(probed)}\n`, { mode: 0o600 });
    await rename(temporary, path);
    return probed;
  } catch (error) {
    log.warn({ err: describeError(error) }, 'CPU models and machine types could not be asked of QEMU');
    return UNKNOWN;
  }
}
