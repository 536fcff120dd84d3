import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { tryCommand } from './run-command.ts';

/** What the numbers depend on, for the report. */
export async function machineFacts(directory: string): Promise<Record<string, string>> {
  const version = async (program: string, ...parameters: string[]): Promise<string> => {
    const { status, output } = await tryCommand(program, parameters, 10_000);
    return status === 0 ? (output.split('\n')[0] ?? '') : 'not installed';
  };
  const system = /^PRETTY_NAME="(.*)"$/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1];
  const disk = await tryCommand('findmnt', ['-no', 'FSTYPE,SOURCE', '-T', directory], 10_000);
  return {
    processors: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${system ?? 'Linux'}, kernel ${release()}`,
    filesystem: disk.output.replaceAll(/\s+/g, ' '),
    qemu: await version('qemu-system-x86_64', '--version'),
    libvirt: await version('libvirtd', '--version'),
    nbdcopy: await version('nbdcopy', '--version'),
    node: process.version,
    acceleration: 'none (TCG)',
    'load when it began': loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
  };
}
