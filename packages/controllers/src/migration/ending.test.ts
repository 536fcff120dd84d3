import { describe, expect, it } from 'vitest';
import { storedMigration, storedPod } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import { createdMs, handedOver, runningVmi, seenMigration } from './testing/seen.ts';

const finished = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    storedMigration(`old${index}`, { phase: 'Failed', endedAt: `2025-12-31T23:0${index}:00Z` }),
  );
const target = storedPod('target', { node: 'n2' });

describe('after a migration has ended', () => {
  it('the newest five are kept, whatever order the list has [SLM 39, 64, 6.4 #7]', () => {
    const migration = storedMigration('m', { phase: 'Failed', endedAt: '2026-01-01T00:00:00Z' });
    const all = finished(9);
    for (const list of [all, all.toReversed()]) {
      const { forget } = decideMigration(seenMigration({ migration, finished: list }), createdMs);
      expect(forget.map((one) => one.metadata.name).toSorted()).toEqual(['old0', 'old1', 'old2', 'old3', 'old4']);
    }
    expect(decideMigration(seenMigration({ migration, finished: finished(4) }), createdMs).forget).toEqual([]);
  });

  it('the target pod goes when it has failed [SLM 39]', () => {
    const migration = storedMigration('m', { phase: 'Failed' });
    const vmi = runningVmi({ migrationState: handedOver({ failed: true, completed: true }) });
    const { deletePods } = decideMigration(seenMigration({ migration, vmi, targetPod: target }), createdMs);
    expect(deletePods.map((pod) => pod.metadata.name)).toEqual(['target']);
  });

  it('the source pod goes when it has succeeded, and only once the guest is known to be on the target', () => {
    const migration = storedMigration('m', { phase: 'Succeeded' });
    const migrationState = handedOver({ completed: true });
    const gone = (nodeName: string) =>
      decideMigration(
        seenMigration({ migration, vmi: runningVmi({ migrationState, nodeName }), targetPod: target }),
        createdMs,
      ).deletePods.map((pod) => pod.metadata.name);
    expect(gone('n2')).toEqual(['source']);
    expect(gone('n1')).toEqual([]);
  });

  it('no pod goes after a move in place', () => {
    const migration = storedMigration('m', { phase: 'Succeeded' });
    const migrationState = handedOver({ completed: true, method: 'InPlace', targetNode: 'n1', targetPod: 'source' });
    expect(
      decideMigration(seenMigration({ migration, vmi: runningVmi({ migrationState }) }), createdMs).deletePods,
    ).toEqual([]);
  });

  it('its phase stays and the time of each phase is written once [SLM 64]', () => {
    const migration = storedMigration('m', { phase: 'Failed' });
    const { next } = decideMigration(seenMigration({ migration }), createdMs + 1_000);
    expect(next.status?.phase).toBe('Failed');
    expect(next.status?.phaseTransitionTimestamps).toEqual(migration.status?.phaseTransitionTimestamps);
  });
});

describe('of several migrations of one VMI', () => {
  it('made in the same moment exactly one goes on [SLM 33]', () => {
    const all = ['a', 'b', 'c', 'd'].map((name) => storedMigration(name));
    const phases = all.map((migration) => {
      const rivals = all.filter((one) => one !== migration);
      return decideMigration(seenMigration({ migration, rivals }), createdMs).next.status?.phase;
    });
    expect(phases.filter((phase) => phase === 'Pending')).toHaveLength(1);
    expect(phases.filter((phase) => phase === 'Failed')).toHaveLength(3);
  });
  const unset = (name: string) => storedMigration(name);
  it('the later one fails [SLM 33]', () => {
    const first = { ...unset('first'), status: { phase: 'Running' as const } };
    const plan = decideMigration(seenMigration({ migration: unset('second'), rivals: [first] }), createdMs);
    expect(plan.next.status).toMatchObject({ phase: 'Failed' });
    expect(plan.next.status?.conditions).toContainEqual(expect.objectContaining({ reason: 'MigrationInProgress' }));
    // What belongs to the first is not touched.
    expect(plan.vmi).toBeUndefined();
    expect(plan.deletePods).toEqual([]);
  });
});
