import type { MigrationProgress, Stored, VirtualMachineInstance } from '@godwit/api';
import type { EventRecorder } from '@godwit/reconcile';

/** Says as an event of the guest, once for each limit, that what it writes to a volume is held back. */
export function tellLimitedWrites(
  events: Pick<EventRecorder, 'record'>,
  vmi: Stored<VirtualMachineInstance>,
): (progress: MigrationProgress) => void {
  const told = new Map<string, number>();
  return ({ volumes = [] }) => {
    for (const { name, writeLimitBytesPerSecond: limit } of volumes) {
      if (limit === undefined || told.get(name) === limit) continue;
      told.set(name, limit);
      const message = `Volume ${name} does not converge: the guest may write ${Math.ceil(limit / 1024)} KiB/s to it until it has moved (allowAutoConverge)`;
      events.record(vmi, 'Warning', 'MigrationWritesLimited', message);
    }
  };
}
