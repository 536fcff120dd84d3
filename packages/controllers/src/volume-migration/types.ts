import type {
  DataVolume,
  PersistentVolumeClaim,
  StorageMigratedVolumeInfo,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  Volume,
} from '@godwit/api';
import type { ClaimFacts } from '../virt/reachable.ts';

export interface VolumeUpdateInput {
  readonly vm: Stored<VirtualMachine>;
  readonly vmi: Stored<VirtualMachineInstance>;
  readonly pvc: (claimName: string) => PersistentVolumeClaim | undefined;
  readonly dataVolume: (name: string) => DataVolume | undefined;
  /** A claim with what it leads to. */
  readonly claim: (claimName: string) => ClaimFacts;
  /** What else has to do with a claim: objects other than this VM, its VMI and its guest's pod, in words. */
  readonly usersOf: (claimName: string) => readonly string[];
  /** Bytes that a storage pool of the guest's node has free; undefined when the node does not say. */
  readonly freeBytes?: (pool: 'node' | 'shared') => number | undefined;
  /** Why no other node could run the guest with these volumes; undefined when one can. */
  readonly whyNoNode?: (volumes: readonly Volume[]) => string | undefined;
  /** The claim can be reached from the guest's node, so its disk can be copied without moving the guest. */
  readonly reachableInPlace: (claimName: string) => boolean;
  /** Migrations of this VMI that are not final. */
  readonly activeMigrations: readonly Stored<VirtualMachineInstanceMigration>[];
}

/** A claim whose request is to be raised. */
export interface ClaimExpansion {
  readonly claim: string;
  readonly size: string;
}

export type VolumeUpdate =
  | { readonly do: 'nothing' }
  /** Remove a `VolumesChange` condition that speaks of an edit that no longer exists. */
  | { readonly do: 'drop-stale-condition' }
  /** The edit can never be applied to the running guest. */
  | {
      readonly do: 'require-restart';
      readonly reason: string;
      readonly message: string;
      /** What `RestartRequired` says when clients compare that literally; absent: the same. */
      readonly known?: string;
    }
  /** The edit waits: `VolumesChange=False` on the VMI with this reason. `expand` is to be done meanwhile. */
  | {
      readonly do: 'hold';
      readonly reason: string;
      readonly message: string;
      readonly expand?: readonly ClaimExpansion[];
    }
  /** First of three steps: announce in `status.migratedVolumes` what is to be copied. */
  | { readonly do: 'announce'; readonly volumes: readonly StorageMigratedVolumeInfo[] }
  /** Second step: point the VMI's volumes at the targets. The VMI controller takes the third, `VolumesChange=True`. */
  | { readonly do: 'repoint'; readonly volumes: readonly Volume[] }
  /** The user went back: stop these migrations first, and keep `VolumesChange=False` meanwhile. */
  | { readonly do: 'stop-migrations'; readonly migrations: readonly Stored<VirtualMachineInstanceMigration>[] }
  /** The user went back and no copy runs: VMI volumes back to the sources, then forget the list. */
  | { readonly do: 'revert'; readonly volumes: readonly Volume[] }
  /** The edit makes no sense half-way; told as `Failure`/`VolumesUpdateError` until it is changed. */
  | { readonly do: 'refuse'; readonly message: string };
