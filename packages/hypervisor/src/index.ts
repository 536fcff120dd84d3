export type * from './types.ts';
export type { HypervisorErrorCode } from './errors.ts';
export { measureBacking } from './backing-size.ts';
export { guestMemoryKiB, hasTcgMigrationDefect } from './guest-memory.ts';
export { MACHINE_FILES } from './qemu-arguments.ts';
export { createQemuHypervisor, type QemuOptions } from './qemu-hypervisor.ts';
export { probeAcceleration, type AccelerationProbe } from './probe-acceleration.ts';
export { probeProcessor, type ProcessorProbe } from './probe-cpu.ts';
