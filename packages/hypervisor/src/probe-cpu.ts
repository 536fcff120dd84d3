import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectQmp } from '@godwit/qmp';
import { DEFAULT_QEMU } from './qemu-hypervisor.ts';
import type { Acceleration } from './contract/hypervisor.ts';

/** What guests of a node may be given. */
export interface ProcessorProbe {
  /** CPU models with every feature of theirs available, by QEMU's names. */
  readonly cpuModels: readonly string[];
  /** Versioned machine types, such as `pc-q35-7.2`. */
  readonly machineTypes: readonly string[];
}

const VERSIONED_MACHINE = /^pc-(?:q35|i440fx)-\d/;

/**
 * Asks QEMU which CPU models run here without losing a feature, and which machine types it knows. Starts a QEMU without
 * a machine for half a second. Rejects when that cannot be asked; the answer holds for as long as the QEMU binary, the
 * acceleration and the host are the same.
 */
export async function probeProcessor(options: {
  readonly acceleration: Acceleration;
  readonly binary?: string;
  readonly timeoutMs?: number;
}): Promise<ProcessorProbe> {
  const { acceleration, binary = DEFAULT_QEMU, timeoutMs = 10_000 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'cpu-probe-'));
  const path = join(directory, 'qmp.sock');
  const argv = ['-S', '-nodefaults', '-no-user-config', '-display', 'none', '-machine', `none,accel=${acceleration}`];
  const qemu = spawn(binary, [...argv, '-qmp', `unix:${path},server=on,wait=off`], { stdio: 'ignore' });
  const died = new AbortController();
  const gone = Promise.withResolvers<void>();
  qemu.once('error', (error) => {
    died.abort(error);
    gone.resolve();
  });
  qemu.once('exit', (code, signal) => {
    died.abort(new Error(`QEMU ended with ${signal ?? `status ${code}`}`));
    gone.resolve();
  });
  try {
    const client = await connectQmp({ path, timeoutMs, commandTimeoutMs: timeoutMs, signal: died.signal });
    const [cpus, machines] = await Promise.all([
      client.execute('query-cpu-definitions'),
      client.execute('query-machines'),
    ]);
    client.close();
    return {
      cpuModels: cpus
        .filter((one) => one['unavailable-features']?.length === 0)
        .map(({ name }) => name)
        .toSorted(),
      machineTypes: machines
        .map(({ name }) => name)
        .filter((name) => VERSIONED_MACHINE.test(name))
        .toSorted(),
    };
  } finally {
    qemu.kill('SIGKILL');
    await gone.promise;
    await rm(directory, { recursive: true, force: true });
  }
}
