import type { Machine } from '@godwit/hypervisor';

/** What the guest may write to its disks while they are copied. Whoever ends a copy lifts it, whether or not it was set. */
export interface WriteLimits {
  /** In bytes per second, of all disks that are limited together; undefined: none are. */
  present(): number | undefined;
  of(disk: string): number | undefined;
  /** Shared evenly by these disks. */
  lower(disks: readonly string[], bytesPerSecond: number): Promise<void>;
}

export function limitWrites(machine: Pick<Machine, 'limitWrites'>): WriteLimits {
  const limits = new Map<string, number>();
  let present: number | undefined;
  return {
    present: () => present,
    of: (disk) => limits.get(disk),
    async lower(disks, bytesPerSecond) {
      present = bytesPerSecond;
      const each = Math.ceil(bytesPerSecond / disks.length);
      for (const disk of disks) {
        await machine.limitWrites(disk, each);
        limits.set(disk, each);
      }
    },
  };
}

/** Lets the guest write as it likes again, whoever limited it. */
export async function liftWriteLimits(machine: Pick<Machine, 'limitWrites'>, disks: readonly string[]): Promise<void> {
  for (const disk of disks) await machine.limitWrites(disk, 0);
}
