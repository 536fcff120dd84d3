import { keyOf } from '@godwit/api';
import type { Stored, VirtualMachineInstance, VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isForbidden } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import type { EventRecorder, ReconcileResult } from '@godwit/reconcile';
import type { AgentMetrics } from '../endpoint/metrics.ts';
import { changeVmi } from '../vmi/write-vmi.ts';
import type { VmiChange } from '../vmi/write-vmi.ts';
import { statusOf, vmiKeyOf } from './executors.ts';
import type { Executor } from './executors.ts';
import { movedVolumes } from './identity.ts';
import { hindered, modeChosen, moveCompleted, moveFailed, toldAfterwards, undecided } from './outcome.ts';
import type { SettledOn } from './outcome.ts';
import { tellVerification } from './verification.ts';

type Vmi = Stored<VirtualMachineInstance>;

/** Says in the API objects how the migrations of this node go, and how they ended. */
export interface MoveTelling {
  /** What the running ones are doing, once the record does not say it yet. */
  publish(vmi: Vmi, running: readonly Executor[]): Promise<void>;
  /** How one ended. */
  report(vmi: Vmi, executor: Executor): Promise<ReconcileResult | void>;
  /** What the record, closed already, does not say. */
  complete(vmi: Vmi, executor: Executor): Promise<void>;
  closeFailed(
    vmi: Vmi,
    migrationUid: string,
    reason: string,
    aborted: boolean,
    more?: { readonly moved?: readonly string[]; readonly code?: string; readonly settledOn?: SettledOn },
  ): Promise<void>;
}

/** The source knows better why a copy failed; its word is awaited this long before the target gives its own. */
const SOURCE_SPEAKS_FIRST_MS = 5000;
const LOOK_AGAIN_MS = 500;

/** Volumes that are on their destination after a move in place, as far as it has got. */
function volumesOnTarget(vmi: Vmi, { record, outcome }: Executor): readonly string[] {
  if (record.role !== 'in-place' || !outcome) return [];
  if ('moved' in outcome) return outcome.moved;
  return outcome.result === 'succeeded' ? movedVolumes(vmi).map(({ volumeName }) => volumeName) : [];
}

/** The side that has what the guest wrote last, as the handover guarantees it. */
function settledOn({ record, outcome }: Executor): 'source' | 'target' | undefined {
  switch (outcome?.result) {
    case undefined:
      return undefined;
    case 'running':
    case 'lost':
    case 'succeeded':
      return 'target';
    case 'aborted':
    case 'failed':
      // The source is in another cluster, which does not ask this one.
      return record.crossCluster && record.role === 'target' ? undefined : 'source';
  }
}

/** A target that has recorded that: whatever the way, the source has everything. */
function neverRan({ record, outcome }: Executor): boolean {
  return record.role === 'target' && outcome?.result === 'aborted';
}

/** A link knows its peer by address only. */
export function namePeer(reason: string, role: Executor['record']['role'], state: VmiMigrationState = {}): string {
  const other = role === 'target' ? 'source' : 'target';
  const node =
    role === 'target' ? (state.sourceNode ?? state.sourceState?.node) : (state.targetNode ?? state.targetState?.node);
  return reason.replace(/\bpeer agent\b/, `agent of the ${other} node${node === undefined ? '' : ` ${node}`}`);
}

export function changeRecord(
  client: KubeClient,
  vmi: Vmi,
  decide: (current: Vmi) => VmiChange | undefined,
): Promise<Vmi | undefined> {
  const { namespace = '', name, uid } = vmi.metadata;
  return changeVmi(client, { namespace, name, uid }, decide, vmi);
}

export function createMoveTelling(
  nodeName: string,
  migrationsOf: (vmi: Vmi) => readonly Stored<VirtualMachineInstanceMigration>[],
  dependencies: {
    readonly io: { readonly client: KubeClient; readonly events: EventRecorder; readonly metrics: AgentMetrics };
    readonly clock: Clock;
    readonly log: Logger;
  },
): MoveTelling {
  const { io, clock, log } = dependencies;
  const change = (vmi: Vmi, decide: (current: Vmi) => VmiChange | undefined) => changeRecord(io.client, vmi, decide);
  const migrationOf = (vmi: Vmi, { record }: Executor) =>
    migrationsOf(vmi).find(({ metadata }) => metadata.uid === record.migrationUid);

  /** Said at once when it was found; here only if that did not arrive. */
  async function tellWhatWasVerified(vmi: Vmi, executor: Executor): Promise<void> {
    const { outcome, record } = executor;
    const verification = outcome && 'verification' in outcome ? outcome.verification : undefined;
    const migration = migrationOf(vmi, executor);
    if (verification === undefined || migration === undefined || migration.status?.verification !== undefined) return;
    await tellVerification(io, vmi, record, verification);
  }

  const closeFailed: MoveTelling['closeFailed'] = async (vmi, migrationUid, reason, aborted, more = {}) => {
    const { moved = [], code, settledOn: side } = more;
    log.warn({ VirtualMachineInstance: keyOf(vmi), migrationUID: migrationUid, reason }, 'migration failed');
    const how = { reason, aborted, moved, ...(code !== undefined && { code }), ...(side && { settledOn: side }) };
    await change(vmi, (current) => moveFailed(current, migrationUid, how, clock.now()));
    io.events.record(vmi, 'Warning', 'Migrated', `VirtualMachineInstance migration failed: ${reason}`);
  };

  return {
    closeFailed,
    async report(vmi, executor) {
      const { record, outcome } = executor;
      if (!outcome) return;
      // Whoever sees the end must find the last figures as well.
      await executor.progress.flush();
      await tellWhatWasVerified(vmi, executor);
      const { migrationUid } = record;
      switch (outcome.result) {
        case 'running':
        case 'lost':
          // No side has had the whole guest.
          if ('torn' in outcome && outcome.torn === true) {
            return closeFailed(vmi, migrationUid, outcome.reason, false, { settledOn: 'nobody' });
          }
          await change(vmi, (current) => moveCompleted(current, migrationUid, nodeName, clock.now()));
          io.events.record(vmi, 'Normal', 'Migrated', `The VirtualMachineInstance migrated to node ${nodeName}.`);
          return;
        case 'succeeded':
          if (record.role === 'in-place') {
            await change(vmi, (current) => moveCompleted(current, migrationUid, nodeName, clock.now()));
            io.events.record(vmi, 'Normal', 'Migrated', 'The volumes of the VirtualMachineInstance were migrated.');
            return;
          }
          // The target says that the guest runs; its record, or its cluster's, arrives by itself.
          return { requeueAfterMs: SOURCE_SPEAKS_FIRST_MS };
        case 'aborted':
        case 'failed': {
          const state = vmi.status?.migrationState;
          const waitedMs = clock.now() - (executor.endedAtMs ?? 0);
          const sourceMaySpeak =
            record.role === 'target' && !record.crossCluster && state?.startTimestamp !== undefined;
          if (sourceMaySpeak && waitedMs < SOURCE_SPEAKS_FIRST_MS) return { requeueAfterMs: LOOK_AGAIN_MS };
          const moved = 'moved' in outcome ? outcome.moved : [];
          const stuck = moved.length > 0 ? `; disks left on their new volumes: ${moved.join(', ')}` : '';
          const aborted = outcome.result === 'aborted' && state?.abortRequested === true;
          return closeFailed(vmi, migrationUid, `${namePeer(outcome.reason, record.role, state)}${stuck}`, aborted, {
            moved,
            ...(neverRan(executor) && { settledOn: 'source' }),
          });
        }
      }
    },
    async complete(vmi, executor) {
      // Whoever has closed the record in the meantime knew nothing of the disks.
      const left = volumesOnTarget(vmi, executor);
      const side =
        vmi.status?.migrationState?.mode === 'PostCopy' && !neverRan(executor) ? undefined : settledOn(executor);
      try {
        await tellWhatWasVerified(vmi, executor);
        await change(vmi, (current) => toldAfterwards(current, executor.record.migrationUid, side, left));
      } catch (error) {
        // The record is closed without it, and the pod waits for this.
        if (!isForbidden(error)) throw error;
        log.warn({ VirtualMachineInstance: keyOf(vmi), err: describeError(error) }, 'migration told in part only');
      }
    },
    async publish(vmi, running) {
      for (const executor of running) {
        const status = statusOf(executor);
        const { role, migrationUid } = executor.record;
        const progress = migrationOf(vmi, executor)?.status?.progress;
        if (progress && role !== 'target') io.metrics.recall(vmiKeyOf(executor.record), progress);
        if (modeChosen(vmi, migrationUid, status.mode, clock.now()))
          await change(vmi, (current) => modeChosen(current, migrationUid, status.mode, clock.now()));
        if (status.notice !== undefined && executor.noticed !== true) {
          executor.noticed = true;
          io.events.record(vmi, 'Warning', 'PostCopyImpossible', status.notice);
        }
        if (hindered(vmi, role, status.hindrance, clock.now()))
          await change(vmi, (current) => hindered(current, role, status.hindrance, clock.now()));
        if (role !== 'in-place' && undecided(vmi, role, status, clock.now()))
          await change(vmi, (current) => undecided(current, role, status, clock.now()));
      }
    },
  };
}
