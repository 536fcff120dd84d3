import type { VirtualMachineInstance } from '@godwit/api';
import { parseQuantity, quantityBytes } from '@godwit/core/quantity';

const MIB = 2 ** 20;
/** What QEMU needs beside guest memory: its code and heap, and per vCPU stacks and translation buffers. */
const FIXED_OVERHEAD_BYTES = 64 * MIB;
const PER_CPU_OVERHEAD_BYTES = 8 * MIB;
/** Share of a host CPU that is requested per vCPU, as KubeVirt's default `cpuAllocationRatio` of 10. */
const MILLICPU_PER_VCPU = 100;
const DEFAULT_GUEST_BYTES = 64 * MIB;

export function vcpusOf(vmi: Pick<VirtualMachineInstance, 'spec'>): number {
  const { cpu, resources } = vmi.spec.domain;
  if (cpu?.cores !== undefined || cpu?.sockets !== undefined || cpu?.threads !== undefined)
    return (cpu.sockets ?? 1) * (cpu.cores ?? 1) * (cpu.threads ?? 1);
  const requested = resources?.requests?.['cpu'] ?? resources?.limits?.['cpu'];
  return requested === undefined ? 1 : Math.max(1, Math.ceil(parseQuantity(requested)));
}

export function guestMemoryBytes(vmi: Pick<VirtualMachineInstance, 'spec'>): number {
  const { memory, resources } = vmi.spec.domain;
  const wanted = memory?.guest ?? resources?.requests?.['memory'] ?? resources?.limits?.['memory'];
  return wanted === undefined ? DEFAULT_GUEST_BYTES : quantityBytes(wanted);
}

/** Requests of the compute container: guest memory plus overhead (page tables, QEMU itself), and a share of CPU. */
export function launcherRequests(vmi: Pick<VirtualMachineInstance, 'spec'>): { cpu: string; memory: string } {
  const vcpus = vcpusOf(vmi);
  const guest = guestMemoryBytes(vmi);
  const overhead = FIXED_OVERHEAD_BYTES + vcpus * PER_CPU_OVERHEAD_BYTES + Math.ceil(guest / 512);
  const cpu = vmi.spec.domain.resources?.requests?.['cpu'] ?? `${vcpus * MILLICPU_PER_VCPU}m`;
  return { cpu, memory: `${Math.ceil((guest + overhead) / MIB)}Mi` };
}
