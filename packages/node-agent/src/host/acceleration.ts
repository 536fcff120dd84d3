import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '@godwit/core/json';
import { waitFor } from '@godwit/core/wait';
import { probeAcceleration } from '@godwit/hypervisor';
import type { AccelerationProbe } from '@godwit/hypervisor';
import type { AgentConfig } from '../config.ts';
import { exists } from './files.ts';
import { findProgram } from './programs.ts';

export const DEFAULT_QEMU = 'qemu-system-x86_64';
/** A probe takes 3 s where guests hang; whoever says it probes and takes longer than this has died. */
const PATIENCE_MS = 8_000;
const LOOK_EVERY_MS = 50;

export interface AccelerationSurroundings {
  /** Changes when the host reboots. */
  readonly bootId: string;
  readonly searchPath: string;
  /** Default: boots a guest. */
  readonly probe?: (binary: string) => Promise<AccelerationProbe>;
}

/**
 * How guests of this node run. A probe's answer holds until the host reboots or QEMU is replaced; it is kept where all
 * agents of a user find it, and of several that start at once one probes while the others wait.
 */
export async function chooseAcceleration(
  config: Pick<AgentConfig, 'acceleration' | 'qemuBinary' | 'directory' | 'cacheDirectory'>,
  surroundings: AccelerationSurroundings,
): Promise<AccelerationProbe> {
  if (config.acceleration !== 'auto')
    return { acceleration: config.acceleration, reason: `the configuration says ${config.acceleration}` };
  const directory = config.cacheDirectory ?? config.directory;
  const binary = await qemuPath(config.qemuBinary ?? DEFAULT_QEMU, surroundings.searchPath);
  const path = join(directory, `acceleration-${await keyOf(binary, surroundings.bootId)}.json`);
  const probe = surroundings.probe ?? ((qemu: string) => probeAcceleration({ binary: qemu }));

  const known = await remembered(path);
  if (known) return known;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const claim = `${path}.probing`;
  if (!(await take(claim))) {
    const answer = await answerOfAnother(path, claim);
    if (answer) return answer;
  }
  try {
    const probed = await probe(binary);
    await remember(path, probed);
    return probed;
  } finally {
    await rm(claim, { force: true });
  }
}

/** Waits for the agent that holds the claim; `undefined` when it gave up or died. */
async function answerOfAnother(path: string, claim: string): Promise<AccelerationProbe | undefined> {
  const claimed = await stat(claim).catch(() => undefined);
  const age = Date.now() - (claimed?.mtimeMs ?? 0);
  const answer = await waitFor(async () => (await remembered(path)) ?? ((await exists(claim)) ? undefined : 'none'), {
    timeoutMs: Math.max(0, PATIENCE_MS - age),
    intervalMs: LOOK_EVERY_MS,
    what: 'another node agent to try KVM',
  }).catch(() => 'none' as const);
  return answer === 'none' ? undefined : answer;
}

export async function qemuPath(binary: string, searchPath: string): Promise<string> {
  return binary.includes('/') ? binary : ((await findProgram([binary], searchPath))?.path ?? binary);
}

/** Another boot of the host or another QEMU may answer otherwise. */
export async function keyOf(binary: string, bootId: string): Promise<string> {
  const file = await stat(binary).catch(() => undefined);
  const text = JSON.stringify([bootId, binary, file?.size, file?.mtimeMs]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

async function remembered(path: string): Promise<AccelerationProbe | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isObject(value) || typeof value.reason !== 'string') return undefined;
    return { acceleration: value.acceleration === 'kvm' ? 'kvm' : 'tcg', reason: value.reason };
  } catch {
    // Unreadable or absent: probe.
    return undefined;
  }
}

/** Several agents may write; each has its own temporary file, and readers see a whole one. */
async function remember(path: string, probed: AccelerationProbe): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(probed)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Whether we are the first. */
async function take(claim: string): Promise<boolean> {
  try {
    await (await open(claim, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
