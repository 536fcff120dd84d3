import { resources } from '@godwit/api';
import type { MigrationProgress, Pod, Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { names } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { expect } from 'vitest';
import { failureOf } from '../../apps/cli/src/commands/demo/follow.ts';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Cluster, Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { eventually } from './eventually.ts';
import { expectAlive, instanceOf } from './guest.ts';
import type { GuestUnderTest } from './guest.ts';

/** A migration that was asked for, with what tells the guest's place before and after. */
export interface Move {
  readonly source: Cluster;
  readonly name: string;
  readonly fromNode: string;
  /** Where the guest is if it succeeds. */
  readonly to: Whereabouts;
  /** Between clusters: the object on the target's side. */
  readonly receiver?: { readonly cluster: Cluster; readonly name: string };
}

export async function migrationOf(
  cluster: Cluster,
  name: string,
): Promise<Stored<VirtualMachineInstanceMigration> | undefined> {
  return cluster.client.get<VirtualMachineInstanceMigration>(
    resources.virtualMachineInstanceMigrations,
    name,
    namespace,
  );
}

const isFinal = (migration: VirtualMachineInstanceMigration): boolean =>
  migration.status?.phase === 'Succeeded' || migration.status?.phase === 'Failed';

type CopyStage = Extract<MigrationProgress['stage'], 'CopyingDisks' | 'CopyingMemory'>;

/** Resolves at the start of a stage, once it is known how much there is to copy. */
export async function untilInside(move: Move, stage: CopyStage): Promise<void> {
  await untilPercent(move, stage, 1);
}

/**
 * Resolves once so much of a stage is done, or a later stage has begun. Rejects when the migration ends before: then the test
 * would say nothing.
 */
export async function untilPercent(move: Move, stage: CopyStage, percent: number): Promise<void> {
  await eventually(`migration ${move.name} to have ${percent} % of ${stage}`, async () => {
    const migration = await migrationOf(move.source, move.name);
    const progress = migration?.status?.progress;
    if (migration === undefined || isFinal(migration))
      throw new GodwitError(
        'E2E_TOO_LATE',
        `Migration ${move.name} is ${migration?.status?.phase ?? 'gone'} already: ${migration ? failureOf(migration) : ''}`,
      );
    if (progress === undefined || progress.stage === 'Preparing') return false;
    if (progress.stage !== stage) return stage === 'CopyingDisks' || progress.stage !== 'CopyingDisks';
    const { bytesDone, bytesTotal } = (stage === 'CopyingMemory' ? progress.memory : undefined) ?? progress;
    return bytesTotal > 0 && bytesDone * 100 >= bytesTotal * percent;
  });
}

/** The launcher pod that a migration made for the target's QEMU. */
export async function targetPodOf(move: Move): Promise<{ cluster: string; node: string; uid: string }> {
  const { cluster, name } = move.receiver ?? { cluster: move.source, name: move.name };
  return eventually(`the target pod of migration ${name}`, async () => {
    const uid = (await migrationOf(cluster, name))?.metadata.uid ?? '';
    const labelSelector = `${names.migrationJobUidLabel}=${uid}`;
    const { items } = await cluster.client.list<Pod>(resources.pods, { namespace, labelSelector });
    const pod = items[0];
    const node = pod?.spec?.nodeName;
    return pod !== undefined && node !== undefined ? { cluster: cluster.name, node, uid: pod.metadata.uid } : undefined;
  });
}

/** The launcher pod that the guest is to leave, or, in place, stays in. */
export async function sourcePodOf(
  { guest }: GuestUnderTest,
  { source, name, fromNode }: Move,
): Promise<{ cluster: string; node: string; uid: string }> {
  return eventually(`the pod of the guest in cluster ${source.name}`, async () => {
    const migration = (await migrationOf(source, name))?.metadata.uid;
    const { items } = await source.client.list<Pod>(resources.pods, { namespace });
    const pod = items.find(
      ({ metadata, spec, status }) =>
        metadata.annotations?.[names.domainAnnotation] === guest.name &&
        metadata.labels?.[names.migrationJobUidLabel] !== migration &&
        spec.nodeName === fromNode &&
        status?.phase === 'Running',
    );
    return pod && { cluster: source.name, node: fromNode, uid: pod.metadata.uid };
  });
}

/** How the migration ended: `gone` when its object was deleted. */
export async function ended(
  cluster: Cluster,
  name: string,
  timeoutMs = 90_000,
): Promise<{ phase: string; reason: string }> {
  return eventually(
    `migration ${name} in cluster ${cluster.name} to end`,
    async () => {
      const migration = await migrationOf(cluster, name);
      if (migration === undefined) return { phase: 'gone', reason: 'it was deleted' };
      return isFinal(migration) && { phase: migration.status?.phase ?? '', reason: failureOf(migration) };
    },
    timeoutMs,
  );
}

/**
 * Waits for the end that every fault must have: the guest runs on the target after success, and as if nothing had been on the
 * source otherwise. Both sides of a move between clusters agree. Resolves with whether it succeeded.
 */
export async function expectSoundEnd(subject: GuestUnderTest, move: Move): Promise<'succeeded' | 'stayed'> {
  const here = await ended(move.source, move.name);
  const there = move.receiver && (await ended(move.receiver.cluster, move.receiver.name));
  const arrived = await eventually('the guest to be at one of both ends', async () => {
    const [source, target] = [await instanceOf(subject, { cluster: move.source }), await instanceOf(subject, move.to)];
    if (move.receiver) {
      if (target?.status?.phase === 'Running' && source?.status?.phase !== 'Running') return 'succeeded';
      return source?.status?.phase === 'Running' && target?.status?.phase !== 'Running' && 'stayed';
    }
    const state = source?.status?.migrationState;
    if (source?.status?.phase !== 'Running' || state === undefined) return false;
    if (state.failed === true) return source.status.nodeName === move.fromNode && 'stayed';
    return state.completed === true && 'succeeded';
  });
  const known = JSON.stringify({ here, there });
  if (here.phase !== 'gone') expect(here.phase, known).toBe(arrived === 'succeeded' ? 'Succeeded' : 'Failed');
  if (there !== undefined && there.phase !== 'gone')
    expect(there.phase, known).toBe(arrived === 'succeeded' ? 'Succeeded' : 'Failed');
  await expectAlive(subject);
  if (arrived === 'succeeded') subject.at = move.to;
  return arrived;
}

export async function expectSuccess(subject: GuestUnderTest, move: Move): Promise<void> {
  const end = await ended(move.source, move.name);
  expect(end.phase, end.reason).toBe('Succeeded');
  expect(await expectSoundEnd(subject, move)).toBe('succeeded');
}

/** Whoever has taken the migration up tells its last figures as well. */
export async function expectLastFigures(move: Move, end: 'succeeded' | 'stayed'): Promise<void> {
  const last = end === 'succeeded' ? 'Done' : 'Failed';
  await eventually(`the progress of ${move.name} to be ${last}`, async () => {
    const migration = await migrationOf(move.source, move.name);
    return migration === undefined || migration.status?.progress?.stage === last;
  });
}
