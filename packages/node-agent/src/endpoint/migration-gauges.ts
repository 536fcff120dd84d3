import type { MigrationProgress } from '@godwit/api';

type Volume = NonNullable<MigrationProgress['volumes']>[number];

/** Name, help and value; no value means no sample. */
export type GaugeOf<T> = readonly [name: string, help: string, valueOf: (of: T) => number | undefined];

/**
 * Bytes that travel per second, of disks and of memory. What travels before memory does is of disks alone; afterwards the
 * disks' part is what they are known to have, and the rest is memory.
 */
export function transferRates(progress: MigrationProgress): { readonly disks: number; readonly memory: number } {
  const { memory, volumes = [], stage, bytesPerSecond = 0 } = progress;
  if (volumes.length === 0) return { disks: 0, memory: bytesPerSecond };
  if (memory === undefined || stage === 'Preparing' || stage === 'CopyingDisks')
    return { disks: bytesPerSecond, memory: 0 };
  const known = volumes.reduce((sum, volume) => sum + (volume.bytesPerSecond ?? 0), 0);
  const disks = Math.min(known, bytesPerSecond);
  return { disks, memory: bytesPerSecond - disks };
}

/** Of one running migration; KubeVirt's names where it has one, which count memory and disks together. */
export const migrationGauges: readonly GaugeOf<MigrationProgress>[] = [
  [
    'kubevirt_vmi_migration_data_bytes_total',
    'Bytes of memory and disks known to have to travel',
    (progress) => progress.bytesTotal,
  ],
  [
    'kubevirt_vmi_migration_data_total_bytes',
    'Deprecated name of kubevirt_vmi_migration_data_bytes_total',
    (progress) => progress.bytesTotal,
  ],
  [
    'kubevirt_vmi_migration_data_processed_bytes',
    'Bytes of memory and disks that have been dealt with; holes and zeroes count',
    (progress) => progress.bytesDone,
  ],
  [
    'kubevirt_vmi_migration_data_remaining_bytes',
    'Bytes of memory and disks still to be dealt with',
    (progress) => Math.max(0, progress.bytesTotal - progress.bytesDone),
  ],
  [
    'kubevirt_vmi_migration_dirty_memory_rate_bytes',
    'Bytes of memory the guest dirties per second',
    (progress) => progress.memory?.dirtyBytesPerSecond ?? 0,
  ],
  [
    'kubevirt_vmi_migration_memory_transfer_rate_bytes',
    'Bytes of memory that travel per second',
    (progress) => transferRates(progress).memory,
  ],
  [
    'kubevirt_vmi_migration_disk_transfer_rate_bytes',
    'Bytes of disks that travel per second',
    (progress) => transferRates(progress).disks,
  ],
  [
    'godwit_vmi_migration_transferred_bytes',
    'Bytes that really travelled so far; holes and zeroes do not count',
    (progress) => progress.bytesTransferred,
  ],
  [
    'godwit_vmi_migration_memory_iteration',
    'Pass over the memory that is being made',
    (progress) => progress.memory?.iteration,
  ],
  [
    'godwit_vmi_migration_throttle_percent',
    "How much of their time the guest's processors are held back for the copy to converge",
    (progress) => (progress.memory ? (progress.memory.throttlePercent ?? 0) : undefined),
  ],
  [
    'godwit_vmi_migration_eta_seconds',
    'Time left; absent while the guest writes as fast as it is copied',
    (progress) => progress.etaSeconds,
  ],
];

/** Of one volume of a running migration. */
export const volumeGauges: readonly GaugeOf<Volume>[] = [
  [
    'godwit_vmi_migration_volume_total_bytes',
    'Bytes of the volume known to have to be copied; grows while the guest writes',
    (volume) => volume.bytesTotal,
  ],
  [
    'godwit_vmi_migration_volume_done_bytes',
    'Bytes of the volume that have been copied; holes and zeroes count',
    (volume) => volume.bytesDone,
  ],
  [
    'godwit_vmi_migration_volume_copy_rate_bytes',
    'Bytes of the volume that are dealt with per second',
    (volume) => volume.bytesPerSecond,
  ],
  [
    'godwit_vmi_migration_volume_dirty_rate_bytes',
    'Bytes the guest writes to the volume per second, rounded up to what is copied at once',
    (volume) => volume.dirtyBytesPerSecond,
  ],
  [
    'godwit_vmi_migration_volume_eta_seconds',
    'Time left for the volume; absent while the guest writes as fast as it is copied',
    (volume) => volume.etaSeconds,
  ],
];
