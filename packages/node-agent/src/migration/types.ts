import type { MigrationConfiguration, MigrationProgress, MigrationVerification } from '@godwit/api';
import type { MigrationMode } from './copy-context.ts';
import type { Renew } from './fresh-credentials.ts';
import type { ProgressKeeper } from './tell-progress.ts';
import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { LinkCredentials, MigrationIdentity } from '@godwit/migration-link';
import type { Acceleration, DiskBacking, Hypervisor, Machine, MachineSpec } from '@godwit/hypervisor';

export type { LinkCredentials, MigrationIdentity };

/** TCP ports of the target agent; in `targetDirectMigrationNodePorts` they map to 0, 49152 and 49153. */
export interface MigrationPorts {
  readonly control: number;
  readonly memory: number;
  readonly block: number;
}

/** Who decides what happens next; `undecided` needs a human (`resolve`). */
export interface SideStatus {
  readonly phase: string;
  /** True when the peer cannot be reached after the source recorded handing over: both guests are paused. */
  readonly undecided: boolean;
  /** One sentence for a condition; absent while all is as expected. */
  readonly message?: string;
  /** How the guest gets to its target, once policy chose another way than copying it while it runs. */
  readonly mode?: MigrationMode;
  /** What this side tries again and again without success, and cannot go on without. */
  readonly hindrance?: string;
  /** Nobody can tell how far it is: its journal cannot be read. */
  readonly unreadable?: boolean;
  /** What the policy allows and cannot be done in this migration, known before it copies anything. */
  readonly notice?: string;
}

interface CommonOptions {
  readonly identity: MigrationIdentity;
  readonly configuration: MigrationConfiguration;
  /** Directory of this node's journal (`DIR/…/nodes/<node>/journal`); created 0700 when missing. */
  readonly journalDir: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly onStatus?: (status: SideStatus) => void;
}

/** For the side that decides: the source, and a move in place. */
interface VerifyOptions {
  /**
   * Compare the copied disks of both sides, byte for byte on their storage, at the last moment: the guest is paused as long as it takes
   * to read them (`verificationBudgetMs` at most). When they differ the move fails.
   */
  readonly verify?: boolean;
  /** Told at once, and again by the outcome. */
  readonly onVerified?: (verification: MigrationVerification) => void;
}

/** Present once the disks were compared; whoever reads it after a restart finds it again. */
interface Verified {
  readonly verification?: MigrationVerification;
}

export interface SourceOptions extends CommonOptions, VerifyOptions {
  readonly machine: Machine;
  readonly spec: MachineSpec;
  readonly target: { readonly host: string; readonly ports: MigrationPorts };
  /** Names of the disks whose bytes travel; every other disk must be reachable for the target by itself. */
  readonly copyDisks: readonly string[];
  readonly credentials: LinkCredentials;
  /** Others for the same side, should these expire before the end. */
  readonly renew?: Renew;
  /** Somebody has paused the guest, and it stays so: here when it does not leave, at its target when it does. */
  readonly paused?: boolean;
  /** Why the guest must not go by post-copy, though its policy may allow it; it would die with either side. */
  readonly postCopyProblem?: string;
  /** Connections for memory beside the main one, when the target can and post-copy is not allowed; default 0. */
  readonly multifdChannels?: number;
  /** At least once a second; never runs backwards. */
  readonly onProgress?: (progress: MigrationProgress) => void;
}

/** When what happened, as milliseconds since the start of the migration. */
export interface TimelineEntry {
  readonly step: string;
  readonly atMs: number;
}

export type SourceOutcome = Verified &
  (
    | {
        readonly result: 'succeeded';
        readonly totalMs: number;
        /** Disk and memory bytes that travelled; holes and zeroes do not. */
        readonly bytes: number;
        /** vCPUs stopped on the source until the target said that it runs. */
        readonly downtimeMs: number;
        /** QEMU's own figure. */
        readonly qemuDowntimeMs?: number;
        readonly timeline: readonly TimelineEntry[];
      }
    | {
        readonly result: 'aborted' | 'failed';
        readonly reason: string;
        /** False only when the source's QEMU itself died. */
        readonly sourceRunning: boolean;
        readonly timeline: readonly TimelineEntry[];
      }
  );

export interface SourceMigration {
  readonly role: 'source';
  readonly identity: MigrationIdentity;
  status(): SideStatus;
  /** Never rejects. After `succeeded` the machine has been killed; otherwise the guest runs on (see `sourceRunning`). */
  readonly done: Promise<SourceOutcome>;
  /** A user's wish, allowed in every phase; resolves with the outcome, which is `succeeded` when it came too late. */
  abort(reason: string): Promise<SourceOutcome>;
  /**
   * What the API objects prove of a target that may not be there any more: that it has the guest and needs nothing of this side
   * (`whole`), or that it has recorded that it never runs (`aborted`). As if it had said so itself.
   */
  hear(word: 'whole' | 'aborted'): void;
  /** A human's decision; accepted only while undecided and only after the target was fenced (its QEMU is certainly gone). */
  resolve(decision: 'resume-source'): Promise<void>;
  /**
   * The agent ends: a move that is not handed over yet is given up, so that no guest stands still until the next agent comes,
   * one that is gets a few seconds. What is open then stays so; `recoverMigrations` continues later.
   */
  close(): Promise<void>;
}

export interface PrepareRequest {
  readonly spec: MachineSpec;
  /** Disks that will be filled by the source; the others must already hold the guest's data. */
  readonly copyDisks: readonly string[];
}

export type PrepareAnswer =
  | {
      /** One per disk of the spec; files of copied disks exist and have at least the disk's size. */
      readonly backings: readonly DiskBacking[];
      /** The same machine with host-only parts (port forwards) of this node. Default: the source's spec. */
      readonly spec?: MachineSpec;
    }
  /** A sentence with numbers, such as `volume data: target has 1073741824 bytes, 2147483648 are needed`. */
  | { readonly refused: string };

export interface TargetOptions extends CommonOptions {
  readonly hypervisor: Hypervisor;
  readonly acceleration: Acceleration;
  readonly credentials: LinkCredentials;
  readonly renew?: Renew;
  /** Address to listen on, default 127.0.0.1. Ports are chosen by the system and reported by `listening`. */
  readonly host?: string;
  /** Run directory of the QEMU to come: private (0700), exists, short. */
  readonly directory: string;
  /** Makes volumes and directories ready for the machine. Called once, before any byte is copied. */
  readonly prepare: (request: PrepareRequest) => Promise<PrepareAnswer>;
}

export type TargetOutcome =
  | {
      readonly result: 'running';
      readonly machine: Machine;
      readonly spec: MachineSpec;
      readonly backings: readonly DiskBacking[];
      /** As it was at its source. */
      readonly paused?: boolean;
    }
  /** This side's QEMU is gone and never ran. */
  | { readonly result: 'aborted'; readonly reason: string }
  /** The guest was handed over to this side, but its QEMU died: the VM crashed here, the source stays down. */
  | {
      readonly result: 'lost';
      readonly reason: string;
      /** By post-copy, before all of its memory had arrived: no side ever had the whole guest since it left. */
      readonly torn?: boolean;
    };

export interface TargetMigration {
  readonly role: 'target';
  readonly identity: MigrationIdentity;
  /** Where the source must connect; rejects when it cannot listen. Publish these only then. */
  readonly listening: Promise<MigrationPorts>;
  status(): SideStatus;
  /** The incoming QEMU, from the moment it is started. */
  machine(): Machine | undefined;
  /** Never rejects. */
  readonly done: Promise<TargetOutcome>;
  /** Allowed in every phase (the target pod was deleted, say); after the commit it changes nothing. */
  abort(reason: string): Promise<TargetOutcome>;
  /**
   * The guest is to end (its VMI was deleted). In post-copy, as long as memory is missing, nobody but this migration may touch
   * it: `ask` presses its power button, `force` ends it; either way the outcome is `lost`. Changes nothing at other times.
   */
  endGuest(how: 'ask' | 'force'): void;
  /** A human's decision; accepted only while undecided and only after the source was fenced. */
  resolve(decision: 'run-target'): Promise<void>;
  close(): Promise<void>;
}

export interface InPlaceOptions extends CommonOptions, VerifyOptions {
  readonly machine: Machine;
  /** For every disk that moves: where it is and where it goes. `to` exists and is at least `sizeBytes` long. */
  readonly disks: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    readonly from: DiskBacking;
    readonly to: DiskBacking;
  }[];
  readonly onProgress?: (progress: MigrationProgress) => void;
}

export type InPlaceOutcome = Verified &
  (
    | {
        readonly result: 'succeeded';
        readonly totalMs: number;
        /** Written to the new volumes; holes do not count. */
        readonly bytes: number;
        /** 0, unless disks were compared. */
        readonly downtimeMs: number;
        readonly timeline: readonly TimelineEntry[];
      }
    | {
        readonly result: 'aborted' | 'failed';
        readonly reason: string;
        /** Disks that are on their new volume all the same; empty unless rolling back failed as well. */
        readonly moved: readonly string[];
        readonly timeline: readonly TimelineEntry[];
      }
  );

export interface InPlaceMove {
  readonly role: 'in-place';
  readonly identity: MigrationIdentity;
  status(): SideStatus;
  /** Never rejects; the guest runs throughout. */
  readonly done: Promise<InPlaceOutcome>;
  /** Once the first disk pivots it is too late and the outcome is that of the move. */
  abort(reason: string): Promise<InPlaceOutcome>;
  close(): Promise<void>;
}

export type RunningMigration = SourceMigration | TargetMigration | InPlaceMove;

export interface RecoverOptions {
  readonly journalDir: string;
  readonly hypervisor: Hypervisor;
  /** The adopted machine of a run directory, undefined when its QEMU is gone. QMP takes one client, so the agent adopts, not we. */
  readonly machineAt: (directory: string) => Promise<Machine | undefined>;
  /** Other credentials for a side whose own may have expired. */
  readonly renew?: (identity: MigrationIdentity, role: 'source' | 'target') => Promise<LinkCredentials>;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly onStatus?: (identity: MigrationIdentity, role: 'source' | 'target' | 'in-place', status: SideStatus) => void;
  /** Where the figures of one go that is taken up; without it nothing is told of them any more. */
  readonly progressOf?: (identity: MigrationIdentity, role: 'source' | 'in-place') => ProgressKeeper | undefined;
  /** Hears of one that cannot be taken up now; true: it sees to it, and nobody touches its guest until `retry` succeeds. */
  readonly onProblem?: (problem: RecoveryProblem) => boolean;
}

export interface RecoveryProblem {
  readonly role: 'source' | 'target' | 'in-place';
  readonly id: string;
  readonly error: unknown;
  readonly retry: () => Promise<RunningMigration>;
}

// Entry points, exported by ./index.ts:
//   startSource(options: SourceOptions): SourceMigration
//   startTarget(options: TargetOptions): TargetMigration
//   startInPlace(options: InPlaceOptions): InPlaceMove
//   recoverMigrations(options: RecoverOptions): Promise<readonly RunningMigration[]>
//     One handle per unfinished record. Await `done` of each; a finished one is forgotten with `forgetMigration`.
//   forgetMigration(journalDir: string, identity: MigrationIdentity, role): Promise<void>
//     Removes the record once the API objects show the outcome.
// From @godwit/migration-link:
//   createMigrationKey(identity, role): Promise<{ keyPem: string; csrPem: string }>
//   signMigrationCertificate(csrPem, { caCertPem, caKeyPem, identity, role, hours? }): Promise<string>   (for the controllers)
//   migrationUri(identity, role): string   -> godwit://migration/<id>/vmi/<namespace>/<name>/<role>
