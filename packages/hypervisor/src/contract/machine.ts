import type { DiskBacking } from './disk-backing.ts';
import type { DiskMirroring } from './disk-mirroring.ts';
import type { DiskSpec, MachineSpec } from './machine-spec.ts';
import type { MemorySending } from './memory-sending.ts';
import type { MigrationReceiving } from './migration-receiving.ts';

export type RunState =
  | 'running'
  | 'paused'
  | 'incoming'
  | 'postmigrate'
  | 'finish-migrate'
  | 'shutdown'
  | 'io-error'
  | 'internal-error'
  | 'gone';

export type MachineEvent =
  | {
      readonly type: 'resumed' | 'stopped' | 'shutdown' | 'reset' | 'exited';
      readonly atMs: number;
      readonly guestInitiated?: boolean;
    }
  | { readonly type: 'disk-error'; readonly atMs: number; readonly disk: string; readonly nospace: boolean }
  | { readonly type: 'migration'; readonly atMs: number; readonly status: string }
  /** Sending memory begins another pass over it. */
  | { readonly type: 'memory-pass'; readonly atMs: number; readonly iteration: number }
  | {
      readonly type: 'job';
      readonly atMs: number;
      /** Name of the disk that the mirror copies. */
      readonly id: string;
      readonly status: 'ready' | 'completed' | 'cancelled' | 'error';
      readonly error?: string;
    };

/** One process that holds at most one guest: its life, its disks, and its part in a migration. */
export interface Machine extends DiskMirroring, MemorySending, MigrationReceiving {
  readonly pid: number;
  readonly directory: string;
  state(): Promise<RunState>;
  onEvent(listener: (event: MachineEvent) => void): () => void;
  resume(): Promise<void>;
  pause(): Promise<void>;
  /** Asks the guest by ACPI; returns at once. */
  powerDown(): Promise<void>;
  reset(): Promise<void>;
  /** Ends the process now (QMP quit, then SIGKILL). Resolves when the process is gone. */
  kill(): Promise<void>;
  exited(): Promise<void>;
  /**
   * What each disk uses now, as QEMU sees it: after a pivot (ours or a predecessor's) it is the mirror's target.
   * While a mirror runs it is still the old one.
   */
  backings(): Promise<readonly DiskBacking[]>;
  /**
   * Shows the guest a bigger disk: all of the raw image or device behind it, whose length must be `sizeBytes` exactly. The
   * guest is told at once and runs on. Rejects while the disk is copied. Idempotent. `spec` says the old size still.
   */
  resizeDisk(disk: string, sizeBytes: number): Promise<void>;
  /** The machine with the disks that it has now; sizes are those from when they joined. */
  spec(): MachineSpec;
  /**
   * Shows the guest one more disk, on the SCSI bus. Resolves with the machine as it is then: the disk's place is in it.
   * Idempotent. After failure the disk is not there, or `spec` says that it is.
   */
  attachDisk(disk: DiskSpec, backing: DiskBacking): Promise<MachineSpec>;
  /**
   * Takes a disk on the SCSI bus away from the guest, and closes its file. What the guest was told is written is in the
   * file then. Resolves with the machine as it is then. Idempotent. Rejects while the disk is copied.
   */
  detachDisk(disk: string): Promise<MachineSpec>;
  /**
   * Cuts every connection that a migration has to its other side, even while QEMU hangs on one: whatever still waits for
   * the peer fails, and the guest does not care. For whoever gives the migration up. Idempotent.
   * Only what waits for room in a socket that nobody reads from goes on waiting: whoever has that must close it too.
   */
  cutLinks(): Promise<void>;
  /** Lets go of the guest without touching it; `adopt` takes it up again. No event follows, `exited` stays pending. */
  disconnect(): void;
}
