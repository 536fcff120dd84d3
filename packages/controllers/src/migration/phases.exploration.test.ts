import type { Pod, Stored, VmiMigrationState } from '@godwit/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { node } from '../testing/objects.ts';
import { storedMigration, storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import type { MigrationPlan } from './decide.ts';
import { agentsEngaged } from './record.ts';
import type { Instance, Migration, SeenMigration } from './seen.ts';
import { createdMs, runningVmi, seenMigration } from './testing/seen.ts';

const ORDER = [
  '',
  'Pending',
  'Scheduling',
  'Scheduled',
  'PreparingTarget',
  'TargetReady',
  'Running',
  'Succeeded',
  'Failed',
];
const FINAL = ['Succeeded', 'Failed'];
const HOUR = 3_600_000;

interface World {
  nowMs: number;
  migration: Migration;
  vmi: Instance | undefined;
  target: Stored<Pod> | undefined;
  silent: string[];
  candidates: boolean;
  slot: boolean;
}

const isDone = ({ migration }: World): boolean => FINAL.includes(migration.status?.phase ?? '');
const record = (world: World): VmiMigrationState | undefined => world.vmi?.status?.migrationState;

function withTarget(world: World, status: NonNullable<Pod['status']>): void {
  if (world.target) world.target = { ...world.target, spec: { ...world.target.spec, nodeName: 'n2' }, status };
}
/** What an agent writes into a record that is open; it never touches one that is closed. */
function reports(world: World, change: VmiMigrationState, when: (state: VmiMigrationState) => boolean): void {
  const state = record(world);
  if (!state || !world.vmi || state.completed || state.failed || state.migrationUid !== 'uid-m' || !when(state)) return;
  world.vmi = { ...world.vmi, status: { ...world.vmi.status, migrationState: { ...state, ...change } } };
}
function toggle(list: string[], name: string): string[] {
  return list.includes(name) ? list.filter((one) => one !== name) : [...list, name];
}

const happenings: Record<string, (world: World) => void> = {
  'a minute passes': (world) => void (world.nowMs += 60_000),
  'an hour passes': (world) => void (world.nowMs += HOUR),
  'n1 changes': (world) => void (world.silent = toggle(world.silent, 'n1')),
  'n2 changes': (world) => void (world.silent = toggle(world.silent, 'n2')),
  'candidates change': (world) => void (world.candidates = !world.candidates),
  'slots change': (world) => void (world.slot = !world.slot),
  'the pod is placed': (world) => withTarget(world, { phase: 'Pending' }),
  'the pod is ready': (world) =>
    withTarget(world, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }),
  'the pod ends': (world) => withTarget(world, { phase: 'Failed' }),
  'the pod vanishes': (world) => void (world.target = undefined),
  'the target listens': (world) => reports(world, { targetNodeAddress: '192.0.2.2' }, () => true),
  'the copy begins': (world) =>
    reports(world, { startTimestamp: '2026-01-01T00:00:00Z' }, (state) => agentsEngaged(state)),
  'the copy succeeds': (world) =>
    reports(
      world,
      { completed: true, endTimestamp: '2026-01-01T00:00:00Z' },
      (state) => state.startTimestamp !== undefined,
    ),
  'the copy fails': (world) =>
    reports(world, { completed: true, failed: true, failureReason: 'broken' }, (state) => agentsEngaged(state)),
  'the user cancels': ({ migration }) => void (migration.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'),
  'the VMI is deleted': (world) =>
    void (world.vmi &&= {
      ...world.vmi,
      metadata: { ...world.vmi.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
    }),
  'the VMI vanishes': (world) => void (world.vmi = undefined),
  'another of its name appears': (world) =>
    void (world.vmi = storedVmi({ phase: 'Running', nodeName: 'n1' }, { uid: 'another' })),
};

/** What the world does next when all goes well. */
const asItShould: Record<string, string> = {
  Scheduling: 'the pod is ready',
  PreparingTarget: 'the target listens',
  TargetReady: 'the copy begins',
  Running: 'the copy succeeds',
};
const GOOD = 'all goes well';

function happens(world: World, what: string): void {
  happenings[what === GOOD ? (asItShould[world.migration.status?.phase ?? ''] ?? '') : what]?.(world);
}

function look(world: World): MigrationPlan {
  const seen: SeenMigration = seenMigration({
    migration: world.migration,
    vmi: world.vmi,
    targetPod: world.target,
    node: (name) => node(name, { ready: !world.silent.includes(name) }),
    candidates: () => (world.candidates ? { fitting: ['n2'], why: '' } : { fitting: [], why: 'none' }),
    admission: () =>
      world.slot ? { admitted: true } : { admitted: false, reason: 'ClusterLimitReached', message: 'place 1 of 1' },
  });
  return decideMigration(seen, world.nowMs);
}

function check(world: World, plan: MigrationPlan): void {
  const before = world.migration.status?.phase ?? '';
  const { status } = plan.next;
  const after = status?.phase ?? '';
  expect(ORDER.indexOf(after)).toBeGreaterThanOrEqual(ORDER.indexOf(before));
  if (FINAL.includes(before)) expect(after).toBe(before);
  const stamps = (status?.phaseTransitionTimestamps ?? []).map(({ phase }) => phase);
  expect(new Set(stamps).size).toBe(stamps.length);
  const said = status?.conditions?.find((one) => one.type === 'migrationWaiting');
  // It moves on, has ended, or says what it waits for.
  if (after === before && !FINAL.includes(after))
    expect(said).toMatchObject({ status: 'True', reason: /\w/, message: /\w/ });
  if (after === 'Failed')
    expect(status?.conditions?.find((one) => one.type === 'migrationFailed')?.message).toBeTruthy();
  const guestOn = world.vmi?.status?.nodeName;
  for (const pod of plan.deletePods) expect(pod.metadata.name === 'source' && guestOn === 'n1').toBe(false);
  // What agents may have begun is closed by them alone; a failure that nobody can tell them of any more apart.
  const state = record(world);
  const closing = plan.vmi?.status?.migrationState?.failed === true && state?.failed !== true;
  const alive = world.vmi !== undefined && world.vmi.metadata.deletionTimestamp === undefined;
  if (closing && alive) expect(state && agentsEngaged(state)).not.toBe(true);
}

function step(world: World): void {
  const plan = look(world);
  check(world, plan);
  world.migration = plan.next;
  if (plan.vmi && world.vmi) world.vmi = plan.vmi;
  if (plan.createPod) {
    world.target = {
      ...storedPod('target', { phase: 'Pending' }),
      metadata: { ...storedPod('target').metadata, creationTimestamp: new Date(world.nowMs).toISOString() },
    };
  }
  if (plan.deletePods.some((pod) => pod.metadata.name === 'target')) world.target = undefined;
}

const lives = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 2, arbitrary: fc.constant(GOOD) },
      { weight: 1, arbitrary: fc.constantFrom(...Object.keys(happenings)) },
    ),
    fc.integer({ min: 1, max: 3 }),
  ),
  { maxLength: 30, size: 'max' },
);

describe('whatever happens to a migration [SLM 64]', () => {
  const begin = (): World => ({
    nowMs: createdMs,
    migration: storedMigration('m'),
    vmi: runningVmi(),
    target: undefined,
    silent: [],
    candidates: true,
    slot: true,
  });

  it('its phases go forward only, are stamped once, and it always says what it waits for or why it failed', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const world = begin();
        for (const [what, looks] of life) {
          happens(world, what);
          for (let look = 0; look < looks; look += 1) step(world);
        }
        // Nothing happens any more but time: it ends, or node agents have a word to say that nobody else may.
        world.slot = true;
        for (let turn = 0; turn < 40 && !isDone(world); turn += 1) {
          world.nowMs += turn % 2 === 0 ? 1_000 : HOUR;
          step(world);
        }
        if (isDone(world)) return;
        const state = record(world);
        expect(state && agentsEngaged(state) && !state.completed).toBe(true);
        expect(state?.startTimestamp !== undefined || state?.abortRequested).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
