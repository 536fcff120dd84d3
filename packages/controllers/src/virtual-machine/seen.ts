import type {
  DataVolume,
  PersistentVolumeClaim,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import type { PlannedEvent } from '../virt/planned-event.ts';

export interface SeenMachine {
  readonly vm: Stored<VirtualMachine>;
  /** The VMI that this VM owns. */
  readonly vmi: Stored<VirtualMachineInstance> | undefined;
  /** Somebody else's VMI has the VM's name. */
  readonly nameTaken: boolean;
  readonly pvc: (name: string) => PersistentVolumeClaim | undefined;
  readonly dataVolume: (name: string) => DataVolume | undefined;
  readonly reachableInPlace: (claimName: string) => boolean;
  readonly activeMigrations: readonly Stored<VirtualMachineInstanceMigration>[];
  readonly liveUpdate: boolean;
}

export interface MachinePlan {
  readonly next: Stored<VirtualMachine>;
  readonly createDataVolumes: readonly DataVolume[];
  readonly createInstance?: VirtualMachineInstance;
  readonly deleteInstance: boolean;
  readonly deleteMigrations: readonly Stored<VirtualMachineInstanceMigration>[];
  /** The VMI after each write, in order. */
  readonly instanceSteps: readonly Stored<VirtualMachineInstance>[];
  readonly events: readonly PlannedEvent[];
  readonly requeueAfterMs?: number;
}
