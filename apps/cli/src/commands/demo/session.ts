import { isTrue, resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import type { OracleObserver, RunnerObserver } from '@godwit/guest';
import type { KubeClient } from '@godwit/kube-client';
import { followMigration, knownMigrations } from './follow.ts';
import type { Migration } from './follow.ts';
import type { LiveLine } from './live-line.ts';
import { namespace } from './objects.ts';
import type { Guest, Storage } from './objects.ts';
import { progressLine } from './render.ts';
import type { MeasuredMove, MoveKind } from './report.ts';

export interface Cluster {
  readonly name: string;
  readonly client: KubeClient;
}

/** Everything that the moves share. */
export interface Session {
  readonly guest: Guest;
  readonly oracle: OracleObserver;
  readonly runners: RunnerObserver;
  readonly line: LiveLine;
  readonly signal: AbortSignal;
  readonly moveTimeoutMs: number;
}

/** Where the guest is. `place` numbers its sets of volumes. */
export interface Whereabouts {
  readonly cluster: Cluster;
  readonly storage: Storage;
  readonly place: number;
}

export interface MovePlan {
  readonly kind: MoveKind;
  readonly from: string;
  readonly to: string;
  /** Where the migration object with the progress appears. */
  readonly cluster: Cluster;
  readonly request: (signal: AbortSignal) => Promise<void>;
}

/** Writes that the guest must get acknowledged after a move before it counts: "Succeeded" alone proves nothing. */
const writesAfterMove = 50;

/** Runs one move under load and measures it. Rejects when the migration fails or the guest is not heard afterwards. */
export async function carryOut(session: Session, plan: MovePlan): Promise<MeasuredMove> {
  const { guest, oracle, runners, line } = session;
  const known = await knownMigrations(plan.cluster.client, guest.name);
  const title = `${plan.kind} ${plan.from} -> ${plan.to}`;
  line.update(`${title}: requested`, 'requested');
  const started = { monotonicMs: oracle.now(), epochMs: Date.now() };
  const failed = new AbortController();
  const signal = AbortSignal.any([session.signal, failed.signal]);
  const following = followMigration(plan.cluster.client, {
    vmiName: guest.name,
    known,
    timeoutMs: session.moveTimeoutMs,
    signal,
    onChange: ({ status }) => {
      const state = `${status?.phase ?? ''} ${status?.progress?.stage ?? ''}`;
      line.update(progressLine(title, status?.phase, status?.progress), state);
    },
  });
  let migration: Migration;
  try {
    [migration] = await Promise.all([following, plan.request(signal)]);
  } catch (error) {
    failed.abort(error);
    throw error;
  }
  const totalMs = oracle.now() - started.monotonicMs;
  await oracle.waitForWrites(writesAfterMove, 30_000, session.signal);
  const pauses = runners.pauses().filter((pause) => pause.toMs >= started.epochMs);
  // The last figures may be written after the phase; a migration that was tidied away keeps those seen last.
  const { name } = migration.metadata;
  const last = await plan.cluster.client.get<VirtualMachineInstanceMigration>(
    resources.virtualMachineInstanceMigrations,
    name,
    namespace,
  );
  const progress = last?.status?.progress ?? migration.status?.progress;
  return {
    kind: plan.kind,
    from: plan.from,
    to: plan.to,
    totalMs,
    bytes: progress?.bytesTransferred ?? progress?.bytesDone,
    downtimeMs: progress?.downtimeMs,
    pauseMs: pauses.length > 0 ? Math.max(...pauses.map((pause) => pause.lengthMs)) : undefined,
    guestGapMs: oracle.log.longestGap(started.monotonicMs, oracle.now())?.lengthMs,
  };
}

export async function getInstance(cluster: Cluster, guest: Guest): Promise<Stored<VirtualMachineInstance> | undefined> {
  return cluster.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, guest.name, namespace);
}

/** Waits until the guest's VMI is what `wanted` says; names it as `what` when that takes too long. */
export async function waitForInstance(
  session: Session,
  cluster: Cluster,
  what: string,
  wanted: (vmi: Stored<VirtualMachineInstance>) => boolean,
): Promise<Stored<VirtualMachineInstance>> {
  return waitFor(
    async () => {
      const vmi = await getInstance(cluster, session.guest);
      return vmi !== undefined && wanted(vmi) ? vmi : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 100, what: `${what} in cluster ${cluster.name}`, signal: session.signal },
  );
}

/** True once the instance runs and no volume change is under way. */
export function isSettled(vmi: VirtualMachineInstance): boolean {
  const { status } = vmi;
  return (
    status?.phase === 'Running' &&
    (status.migratedVolumes ?? []).length === 0 &&
    !isTrue(status.conditions, 'VolumesChange')
  );
}
