import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '@godwit/core/errors';
import { DEFAULT_QEMU } from './qemu-hypervisor.ts';
import type { Acceleration } from './contract/hypervisor.ts';

export interface AccelerationProbe {
  readonly acceleration: Acceleration;
  /** One sentence for a log or a condition. */
  readonly reason: string;
}

const KVM_DEVICE = '/dev/kvm';
const SIGN_OF_LIFE = 'K';
const SIGNATURE_OFFSET = 510;
/** SeaBIOS does not boot from a disk of a single sector. */
const DISK_BYTES = 2 ** 20;

/** mov dx, 0x3f8; mov al, 'K'; out dx, al; cli; hlt */
const GUEST = [0xba, 0xf8, 0x03, 0xb0, SIGN_OF_LIFE.charCodeAt(0), 0xee, 0xfa, 0xf4];

/**
 * Finds out whether guests really run under KVM: a device node alone proves nothing, some hosts have one on which
 * guests hang. Boots a guest of one sector and waits until it prints a letter; never rejects. Costs a tenth of a
 * second with KVM and `timeoutMs` (default 3 s) where it hangs, and holds until the host reboots: cache it.
 */
export async function probeAcceleration(
  options: { readonly binary?: string; readonly timeoutMs?: number } = {},
): Promise<AccelerationProbe> {
  const { binary = DEFAULT_QEMU, timeoutMs = 3_000 } = options;
  try {
    await access(KVM_DEVICE, constants.R_OK | constants.W_OK);
  } catch {
    return { acceleration: 'tcg', reason: `${KVM_DEVICE} is not there or may not be used` };
  }
  const directory = await mkdtemp(join(tmpdir(), 'kvm-probe-'));
  try {
    const disk = join(directory, 'probe.img');
    await writeFile(disk, bootDisk());
    const outcome = await bootUnderKvm(binary, disk, timeoutMs);
    return outcome === 'lives'
      ? { acceleration: 'kvm', reason: 'A guest boots under KVM' }
      : { acceleration: 'tcg', reason: `No guest boots under KVM: ${outcome}` };
  } catch (error) {
    return { acceleration: 'tcg', reason: `KVM could not be tried: ${describeError(error)}` };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function bootDisk(): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  disk.set(GUEST);
  disk.writeUInt16LE(0xaa55, SIGNATURE_OFFSET);
  return disk;
}

async function bootUnderKvm(binary: string, disk: string, timeoutMs: number): Promise<string> {
  const drive = JSON.stringify({ driver: 'file', 'node-name': 'probe', filename: disk, 'read-only': true });
  const argv = ['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'pc', '-accel', 'kvm', '-m', '16'];
  argv.push('-serial', 'stdio', '-blockdev', drive, '-device', 'virtio-blk-pci,drive=probe,bootindex=1');
  const qemu = spawn(binary, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  const outcome = Promise.withResolvers<string>();
  const timer = setTimeout(() => outcome.resolve(`nothing happened for ${timeoutMs} ms`), timeoutMs);
  qemu.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes(SIGN_OF_LIFE)) outcome.resolve('lives');
  });
  qemu.once('error', (error) => outcome.resolve(describeError(error)));
  qemu.once('exit', (code, signal) => outcome.resolve(`QEMU ended with ${signal ?? `status ${code}`}`));
  try {
    return await outcome.promise;
  } finally {
    clearTimeout(timer);
    qemu.kill('SIGKILL');
  }
}
