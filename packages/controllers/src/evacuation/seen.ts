import type {
  EvictionStrategy,
  Node,
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';

/** Everything that is looked at to decide about one guest. */
export interface SeenGuest {
  readonly vmi: Stored<VirtualMachineInstance>;
  /** Migrations of this VMI, finished ones included. */
  readonly migrations: readonly Stored<VirtualMachineInstanceMigration>[];
  /** The VMI's pod on the node that it runs on. */
  readonly pod: Stored<Pod> | undefined;
  /** The node that it runs on. */
  readonly node: Stored<Node> | undefined;
  /** When one of the other nodes last became ready for guests; 0 if there is none. */
  readonly otherNodeSinceMs: number;
  readonly strategy: EvictionStrategy | undefined;
  readonly drainTaintKey: string;
  /** Unfinished evacuations from the same node, and how many there may be. */
  readonly underway: number;
  readonly most: number;
}
