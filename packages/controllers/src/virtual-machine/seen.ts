import type {
  DataVolume,
  PersistentVolumeClaim,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  Volume,
} from '@godwit/api';
import type { PlannedEvent } from '../virt/planned-event.ts';
import type { ClaimMarks, OfflinePlan } from '../volume-migration/offline-copy.ts';
import type { ClaimFacts } from '../virt/reachable.ts';
import type { ClaimExpansion } from '../volume-migration/types.ts';

export interface SeenMachine {
  readonly vm: Stored<VirtualMachine>;
  /** The VMI that this VM owns. */
  readonly vmi: Stored<VirtualMachineInstance> | undefined;
  /** Somebody else's VMI has the VM's name. */
  readonly nameTaken: boolean;
  readonly pvc: (name: string) => PersistentVolumeClaim | undefined;
  readonly dataVolume: (name: string) => DataVolume | undefined;
  readonly claim: (claimName: string) => ClaimFacts;
  /** What else has to do with a claim: objects other than this VM, its VMI and its guest's pod, in words. */
  readonly usersOf: (claimName: string) => readonly string[];
  /** Bytes that a storage pool of the guest's node has free; undefined when the node does not say. */
  readonly freeBytes?: (pool: 'node' | 'shared') => number | undefined;
  /** Why no other node could run the guest with these volumes; undefined when one can. */
  readonly whyNoNode?: (volumes: readonly Volume[]) => string | undefined;
  /** Names of the nodes whose agents answer, in a fixed order. */
  readonly readyNodes: () => readonly string[];
  readonly reachableInPlace: (claimName: string) => boolean;
  readonly activeMigrations: readonly Stored<VirtualMachineInstanceMigration>[];
  readonly liveUpdate: boolean;
  /** Why the API server refused an object of the VM when it was asked last. */
  readonly refused?: string | undefined;
}

export interface MachinePlan {
  readonly next: Stored<VirtualMachine>;
  readonly createDataVolumes: readonly DataVolume[];
  readonly createInstance?: VirtualMachineInstance;
  /** Once that is made. */
  readonly createEvents?: readonly PlannedEvent[];
  readonly deleteInstance: boolean;
  /** Marks of offline copies on claims, written once the VM's status says that they are ordered. */
  readonly claimMarks?: readonly ClaimMarks[];
  /** Claims to be made on a node, for an offline copy. */
  readonly provision?: OfflinePlan['provision'];
  readonly deleteMigrations: readonly Stored<VirtualMachineInstanceMigration>[];
  /** The VMI after each write, in order. */
  readonly instanceSteps: readonly Stored<VirtualMachineInstance>[];
  /** Target claims that are slightly too small. */
  readonly expandClaims?: readonly ClaimExpansion[];
  readonly events: readonly PlannedEvent[];
  readonly requeueAfterMs?: number;
}
