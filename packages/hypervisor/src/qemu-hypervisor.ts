import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import { connectQmp } from '@godwit/qmp';
import { measureBackingFor } from './backing-size.ts';
import { processEnd } from './end-process.ts';
import { hypervisorError } from './errors.ts';
import { readMachineRecord, writeMachineRecord, type MachineRecord } from './machine-record.ts';
import { createMonitor } from './monitor.ts';
import {
  findProcessByArgument,
  identifyProcess,
  isSameProcessAlive,
  signalProcess,
  type ProcessIdentity,
} from '@godwit/core/process-identity';
import { MACHINE_FILES, qemuArguments } from './qemu-arguments.ts';
import { createQemuMachine } from './qemu-machine.ts';
import type { Hypervisor, LaunchOptions } from './contract/hypervisor.ts';
import type { Machine } from './contract/machine.ts';

export const DEFAULT_QEMU = 'qemu-system-x86_64';
const START_MS = 30_000;
const ADOPT_MS = 5_000;
const LIVENESS_MS = 20;
/** A killed process that is still there then waits in the kernel, for storage that does not answer. */
const END_MS = 10_000;
const UNIX_PATH_BYTES = 107;
const STDERR_TAIL = 4_096;
/**
 * QEMU's NBD server allocates memory for every request that it receives, up to 1 MiB each from a mirror. The C library would
 * ask the kernel for each and give it back, which costs as much as writing the data: it is to keep up to 32 MiB.
 */
const KEEP_MEMORY = { MALLOC_MMAP_THRESHOLD_: String(4 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(32 * 2 ** 20) };

export interface QemuOptions {
  /** Default: `qemu-system-x86_64` on the PATH. */
  readonly binary?: string;
  readonly log: Logger;
  readonly clock: Clock;
}

/** QEMU as a hypervisor. Rejects with `HYPERVISOR_NOT_INSTALLED` when the binary does not tell its version. */
export async function createQemuHypervisor(options: QemuOptions): Promise<Hypervisor> {
  const { binary = DEFAULT_QEMU, log, clock } = options;
  const version = await probeQemuVersion(binary);

  async function attach(record: MachineRecord, qemu: ProcessIdentity, timeoutMs: number, signal: AbortSignal) {
    const path = join(record.options.directory, MACHINE_FILES.monitor);
    const qmp = await connectQmp({ path, timeoutMs, signal });
    const monitor = createMonitor(qmp, record.options.spec.name, log);
    return createQemuMachine({ monitor, process: qemu, record, log, clock });
  }

  async function launch(launchOptions: LaunchOptions): Promise<Machine> {
    const { spec, directory, mode } = launchOptions;
    requireShortPath(directory);
    if (await runningProcess(directory)) {
      throw hypervisorError('HYPERVISOR_ALREADY_RUNNING', `A machine already runs in ${directory}`, {
        retry: 'backoff',
      });
    }
    const argv = qemuArguments(launchOptions, await virtualSizes(launchOptions));
    log.info({ machine: spec.name, directory, mode }, 'starting machine');
    await writeMachineRecord({ version: 1, options: launchOptions });
    const stderrPath = join(directory, MACHINE_FILES.stderr);
    const stderrStart = await fileLength(stderrPath);
    await using stderr = await open(stderrPath, 'a', 0o600);
    const child = spawn(binary, argv, {
      detached: true,
      stdio: ['ignore', 'ignore', stderr.fd],
      cwd: '/',
      env: { ...process.env, ...KEEP_MEMORY },
    });
    child.unref();
    const died = new AbortController();
    child.once('error', (error) => died.abort(error));
    child.once('exit', (code, signal) => died.abort(new Error(`QEMU ended with ${signal ?? `status ${code}`}`)));
    try {
      const qemu = child.pid === undefined ? undefined : identifyProcess(child.pid);
      let machine: Machine | undefined;
      if (qemu) {
        const record: MachineRecord = { version: 1, options: launchOptions, process: qemu };
        await writeMachineRecord(record);
        machine = await attach(record, qemu, START_MS, died.signal);
      } else {
        await new Promise<void>((resolve) => died.signal.addEventListener('abort', () => resolve(), { once: true }));
        died.signal.throwIfAborted();
      }
      if (!machine) throw new Error('QEMU ended at once');
      // Only now, with the record on disk, may anything execute.
      if (mode === 'boot') await machine.resume();
      return machine;
    } catch (cause) {
      child.kill('SIGKILL');
      // "Nothing runs" is a promise: who tries again must not meet what dies here.
      if (child.pid !== undefined && !died.signal.aborted) await once(died.signal, 'abort');
      const printed = await readFrom(stderrPath, stderrStart);
      throw hypervisorError(
        'HYPERVISOR_LAUNCH_FAILED',
        `QEMU did not start ${spec.name}${printed === '' ? '' : `: ${printed}`}`,
        { details: { machine: spec.name, directory, stderr: printed }, cause },
      );
    }
  }

  async function adopt(directory: string): Promise<Machine | undefined> {
    const record = await readMachineRecord(directory);
    const qemu = await runningProcess(directory);
    if (!qemu) return undefined;
    if (!record)
      throw hypervisorError(
        'HYPERVISOR_UNREACHABLE',
        `QEMU with pid ${qemu.pid} runs in ${directory}, but its record there was removed; it goes on until it is ended by hand`,
        { details: { pid: qemu.pid, directory }, retry: 'backoff' },
      );
    log.info({ machine: record.options.spec.name, directory, pid: qemu.pid }, 'adopting machine');
    const died = new AbortController();
    const watch = setInterval(() => {
      if (!isSameProcessAlive(qemu)) died.abort(new Error('QEMU ended'));
    }, LIVENESS_MS);
    try {
      return await attach(record, qemu, ADOPT_MS, died.signal);
    } catch (cause) {
      if (!isSameProcessAlive(qemu)) return undefined;
      throw hypervisorError('HYPERVISOR_UNREACHABLE', `QEMU of ${record.options.spec.name} does not answer`, {
        details: { pid: qemu.pid, directory },
        cause,
        retry: 'backoff',
      });
    } finally {
      clearInterval(watch);
    }
  }

  async function end(directory: string): Promise<void> {
    const qemu = await runningProcess(directory);
    if (!qemu) return;
    const { pid } = qemu;
    log.warn({ directory, pid }, 'killing machine');
    signalProcess(qemu, 'SIGKILL');
    if (await processEnd(qemu, END_MS)) return;
    throw hypervisorError('HYPERVISOR_TIMEOUT', `QEMU with pid ${pid} was killed and has not ended yet`, {
      details: { pid, directory },
      retry: 'backoff',
    });
  }

  return { version, launch, adopt, end };
}

/** The QEMU that was launched there and still runs. */
async function runningProcess(directory: string): Promise<ProcessIdentity | undefined> {
  const record = await readMachineRecord(directory);
  if (record?.process) return isSameProcessAlive(record.process) ? record.process : undefined;
  // We were killed between starting QEMU and noting its pid, or somebody swept the directory, as cleaners of /tmp do;
  // the monitor's path on its command line is unique.
  return findProcessByArgument(`path=${join(directory, MACHINE_FILES.monitor)}`);
}

async function probeQemuVersion(binary: string): Promise<Hypervisor['version']> {
  let text = '';
  try {
    text = (await promisify(execFile)(binary, ['--version'])).stdout.split('\n')[0] ?? '';
  } catch (cause) {
    throw hypervisorError('HYPERVISOR_NOT_INSTALLED', `${binary} cannot be run`, { cause });
  }
  const match = /version (\d+)\.(\d+)\.(\d+)/.exec(text);
  if (!match) throw hypervisorError('HYPERVISOR_NOT_INSTALLED', `${binary} does not tell its version: "${text}"`);
  return { major: Number(match[1]), minor: Number(match[2]), micro: Number(match[3]), text };
}

async function virtualSizes({ spec, backings }: LaunchOptions): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const disk of spec.disks) {
    const backing = backings.find((item) => item.name === disk.name);
    if (backing) sizes.set(disk.name, await measureBackingFor(disk, backing));
  }
  return sizes;
}

function requireShortPath(directory: string): void {
  const longest = join(directory, MACHINE_FILES.observer);
  if (Buffer.byteLength(longest) <= UNIX_PATH_BYTES) return;
  throw hypervisorError(
    'HYPERVISOR_SPEC_UNSUPPORTED',
    `The directory ${directory} is too long for unix sockets (${longest.length} > ${UNIX_PATH_BYTES} bytes)`,
  );
}

async function fileLength(path: string): Promise<number> {
  return (await readFile(path).catch(() => Buffer.alloc(0))).length;
}

async function readFrom(path: string, start: number): Promise<string> {
  const text = (await readFile(path)).subarray(start).toString('utf8').trim();
  return text.length > STDERR_TAIL ? `…${text.slice(-STDERR_TAIL)}` : text;
}
