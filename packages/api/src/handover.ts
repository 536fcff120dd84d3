/** Which side of an undecided handover a human lets run. */
export const handoverDecisions = ['resume-source', 'run-target'] as const;
export type HandoverDecision = (typeof handoverDecisions)[number];
export type HandoverRole = 'source' | 'target';

/** What a node agent knows about its half of a migration: the body of GET `…/resolve` of an agent. */
export interface HandoverSide {
  role: HandoverRole;
  phase: string;
  /** Only while this is true does the side take a decision. */
  undecided: boolean;
  message?: string;
  /** State of this side's QEMU; `gone` when its process has ended, `unknown` when it does not answer. */
  guest: string;
}

/** One side as seen from its cluster's API server. */
export interface HandoverPlace {
  node?: string;
  /** The side is in another cluster; that cluster's API server knows more. */
  elsewhere?: true;
  nodeReady?: boolean;
  /** RFC 3339; when the node last renewed its lease. */
  lastSeen?: string;
  /** Present when the agent answered and takes part in the migration. */
  side?: HandoverSide;
  /** Why `side` is absent. */
  silent?: string;
}

/** Body of GET `virtualmachineinstances/resolve`. */
export interface HandoverReport {
  migrationUID: string;
  undecided: boolean;
  /** RFC 3339; since when the VMI says so. */
  since?: string;
  message?: string;
  source: HandoverPlace;
  target: HandoverPlace;
}
