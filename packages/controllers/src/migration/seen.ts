import type {
  MigrationConfiguration,
  Node,
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmimPhase,
} from '@godwit/api';
import type { PlannedEvent } from '../virt/planned-event.ts';
import type { ClaimFacts } from '../virt/reachable.ts';
import type { Admission } from './queue.ts';

export type Migration = Stored<VirtualMachineInstanceMigration>;
export type Instance = Stored<VirtualMachineInstance>;

export interface MigrationTimeouts {
  readonly unschedulablePodMs: number;
  readonly pendingPodMs: number;
  /** Phases in which the other cluster has to answer first. */
  readonly syncMs: number;
  /** Target agent: from hand-off until it published where to connect. */
  readonly prepareMs: number;
  /** Source agent: from there until the copy has begun. */
  readonly startMs: number;
  /** A VMI that is not running yet. */
  readonly guestMs: number;
}

export const defaultTimeouts: MigrationTimeouts = {
  unschedulablePodMs: 300_000,
  pendingPodMs: 900_000,
  syncMs: 600_000,
  prepareMs: 300_000,
  startMs: 300_000,
  guestMs: 600_000,
};

/** Nodes for a target pod that is only thought of. */
export interface Candidates {
  /** Names, best first; how many guests they take in already is not considered. */
  readonly fitting: readonly string[];
  /** Node by node why the others do not fit. */
  readonly why: string;
}

export interface SeenMigration {
  readonly migration: Migration;
  readonly vmi: Instance | undefined;
  /** Other unfinished migrations of the same VMI. */
  readonly rivals: readonly Migration[];
  /** Finished migrations of the same VMI, this one left out. */
  readonly finished: readonly Migration[];
  /** Launcher pods of the VMI. */
  readonly pods: readonly Stored<Pod>[];
  /** Pod made for this migration; never a stale "absent" once one was created. */
  readonly targetPod: Stored<Pod> | undefined;
  readonly sourceNode: Stored<Node> | undefined;
  readonly configuration: MigrationConfiguration;
  readonly policyName: string | undefined;
  readonly node: (name: string) => Stored<Node> | undefined;
  readonly candidates: (pod: Pod) => Candidates;
  readonly claim: (claimName: string) => ClaimFacts;
  /** May it start now? Asked only where it matters, because the answer reserves the slot. */
  readonly admission: () => Admission;
  readonly synchronizationAddresses: readonly string[];
  readonly timeouts: MigrationTimeouts;
}

/** What a step wants done besides the phase. */
export interface Effects {
  /** The VMI as it should be. */
  readonly vmi?: Instance;
  readonly createPod?: Pod;
  readonly deletePods?: readonly Stored<Pod>[];
  /** Claims to be provisioned on a node although no pod asks for it. */
  readonly provision?: { readonly claims: readonly string[]; readonly node: string };
  /** Of a wait: recorded when the wait for this reason begins, not on every look. */
  readonly events?: readonly PlannedEvent[];
  /** As `events`, but about the VMI. */
  readonly vmiEvents?: readonly PlannedEvent[];
}

/** The outcome of looking at a migration in one phase. */
export type Step = Effects &
  (
    | { readonly go: 'wait'; readonly reason: string; readonly message: string; readonly requeueAfterMs?: number }
    | { readonly go: 'enter'; readonly phase: VmimPhase; readonly method?: 'InPlace' }
    | { readonly go: 'fail'; readonly reason: string; readonly message: string }
  );

export function wait(reason: string, message: string, more: Effects & { requeueAfterMs?: number } = {}): Step {
  return { go: 'wait', reason, message, ...more };
}

export function enter(phase: VmimPhase, more: Effects & { method?: 'InPlace' } = {}): Step {
  return { go: 'enter', phase, ...more };
}

export function fail(reason: string, message: string, more: Effects = {}): Step {
  return { go: 'fail', reason, message, ...more };
}
