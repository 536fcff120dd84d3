import type { Clock } from '@godwit/core/clock';
import type { Machine, MemoryProgress } from '@godwit/hypervisor';
import type { ProgressReading } from '@godwit/migration';

const LOOK_MS = 500;

/** What QEMU says of memory, as progress tells it. */
export function memoryReading(memory: MemoryProgress): NonNullable<ProgressReading['memory']> {
  const { bytesTotal, bytesRemaining, dirtyBytesPerSecond, iteration, throttlePercent } = memory;
  return {
    bytesTotal,
    bytesDone: bytesTotal - bytesRemaining,
    dirtyBytesPerSecond,
    iteration,
    ...(throttlePercent === undefined ? {} : { throttlePercent }),
  };
}

/** Reports, in post-copy, how much of the memory has followed the guest, until `stop`. Both may be called again. */
export function createMemoryFollower(options: {
  /** Absent: its QEMU is gone. */
  readonly machine: Pick<Machine, 'memory'> | undefined;
  readonly report: (memory: NonNullable<ProgressReading['memory']>) => void;
  readonly clock: Clock;
}): { start(): void; stop(): void } {
  const { machine, report, clock } = options;
  let following = false;
  const look = async (): Promise<void> => {
    if (!following || machine === undefined) return;
    try {
      const memory = await machine.memory();
      // QEMU forgets its figures once it has finished.
      if (following && memory.bytesTotal > 0) report(memoryReading(memory));
    } catch {
      // What becomes of the guest is decided elsewhere; these are figures.
    }
    clock.after(LOOK_MS, () => void look());
  };
  return {
    start() {
      if (following || machine === undefined) return;
      following = true;
      void look();
    },
    stop() {
      following = false;
    },
  };
}
