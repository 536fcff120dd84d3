import { readFile, statfs } from 'node:fs/promises';
import { arch, cpus, release, totalmem } from 'node:os';
import type { HostFacts } from './desired-node.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

async function firstLine(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim();
}

/** Reads what the Node object says about this machine; `directory` is where its volumes live. */
export async function readHostFacts(directory: string): Promise<HostFacts> {
  const [osRelease, cpuInfo, disk, machineId, bootId] = await Promise.all([
    firstLine('/etc/os-release'),
    firstLine('/proc/cpuinfo'),
    statfs(directory),
    firstLine('/etc/machine-id'),
    firstLine('/proc/sys/kernel/random/boot_id'),
  ]);
  const list = cpus();
  return {
    cpus: list.length,
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    architecture: ARCHITECTURES[arch()] ?? arch(),
    kernel: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? 'Linux',
    machineId,
    bootId,
    cpuVendor: /^vendor_id\s*:\s*(\S+)/m.exec(cpuInfo)?.[1] ?? 'unknown',
    cpuModel: list[0]?.model ?? 'unknown',
  };
}
