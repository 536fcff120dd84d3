import type { Stored, VirtualMachine, VirtualMachineInstance, VmiMigrationState } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { condition, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { newestClaims } from './newest.ts';
import { decideRecord } from './record.ts';
import type { RecordVerdict } from './record.ts';
import { claimsToStartOn, restartsByItself, startsOnLastVolumes, whereDataIs, witnessPatienceMs } from './recover.ts';
import type { Truth } from './recover.ts';

const ENDED = Date.parse('2026-01-01T00:10:00Z');
const LATE = ENDED + witnessPatienceMs;
const listed = [
  { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
];
const started: VmiMigrationState = {
  migrationUid: 'm',
  volumes: listed,
  targetNodeAddress: '127.0.0.1',
  startTimestamp: '2026-01-01T00:05:00Z',
};
const failed: VmiMigrationState = { ...started, failed: true, completed: true };

function ended(state?: VmiMigrationState, changes: { deleted?: boolean } = {}): Stored<VirtualMachineInstance> {
  const status: NonNullable<VirtualMachineInstance['status']> = {
    phase: 'Failed',
    phaseTransitionTimestamps: [{ phase: 'Failed', phaseTransitionTimestamp: rfc3339(ENDED) }],
    migratedVolumes: listed,
    conditions: [condition('VolumesChange')],
    ...(state ? { migrationState: state } : {}),
  };
  return storedVmi(status, { claim: 'root-new', ...changes });
}

function machine(spec: Partial<VirtualMachine['spec']> = {}, status: object = {}): Stored<VirtualMachine> {
  const vm = storedVm(
    { updateVolumesStrategy: 'Migration', ...spec },
    {
      lastVolumes: { root: 'root-old' },
      volumeUpdateState: { volumeMigrationState: { migratedVolumes: listed } },
      conditions: [condition('VolumesChange')],
      ...status,
    },
  );
  vm.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }];
  return vm;
}

describe('where the data are after a guest ended during a copy [SLM H11, 6.5.5]', () => {
  it.each<[string, VmiMigrationState | undefined, number, Truth]>([
    ['nothing was handed over', undefined, ENDED, 'source'],
    ['the record is of an earlier move', { migrationUid: 'm', completed: true, volumes: listed }, ENDED, 'source'],
    ['the record is of a move without these volumes', { ...failed, volumes: [] }, ENDED, 'source'],
    ['an agent says: on the source', { ...failed, settledOn: 'source' }, ENDED, 'source'],
    ['an agent says: on the target', { ...failed, settledOn: 'target' }, LATE, 'target'],
    ['it was closed before it began', { migrationUid: 'm', volumes: listed, failed: true }, ENDED, 'source'],
    // Controllers close records when pods end; the target may have run all the same.
    ['somebody closed it and no agent has spoken', failed, ENDED, 'pending'],
    ['nobody has spoken for a minute', failed, LATE, 'unknown'],
    ['it is still open', started, ENDED, 'pending'],
    ['it stays open', started, LATE, 'unknown'],
  ])('%s', (_, state, now, wanted) => expect(whereDataIs(ended(state), now)).toBe(wanted));
});

describe('what becomes of the VM', () => {
  const verdict = (vm: Stored<VirtualMachine>, vmi: Stored<VirtualMachineInstance>, now = ENDED, exists = true) =>
    decideRecord(vm, vmi, () => exists, now).manualRecovery;
  it.each<[string, Partial<VirtualMachine['spec']>, VmiMigrationState, number, RecordVerdict['manualRecovery']]>([
    ['a crash with the source whole', {}, { ...failed, settledOn: 'source' }, ENDED, 'unneeded'],
    [
      'the same, rerun on failure',
      { runStrategy: 'RerunOnFailure' },
      { ...failed, settledOn: 'source' },
      ENDED,
      'unneeded',
    ],
    ['a crash on the target', {}, { ...failed, settledOn: 'target' }, ENDED, 'unneeded'],
    ['a crash nobody has explained yet', {}, failed, ENDED, 'awaited'],
    ['a crash nobody can explain', {}, failed, LATE, 'required'],
    ['[SLM 14] stopped by a user', { runStrategy: 'Halted' }, { ...failed, settledOn: 'source' }, ENDED, 'required'],
    [
      '[SLM 15] no strategy that starts it again',
      { runStrategy: 'Manual' },
      { ...failed, settledOn: 'source' },
      ENDED,
      'required',
    ],
    [
      'stopped by a user, and nobody has said yet where the data are',
      { runStrategy: 'Halted' },
      failed,
      ENDED,
      'awaited',
    ],
    ['stopped by a user, and nobody can say', { runStrategy: 'Halted' }, failed, LATE, 'required'],
    [
      'stopped by a user once it ran on the target',
      { runStrategy: 'Halted' },
      { ...failed, settledOn: 'target' },
      ENDED,
      'unneeded',
    ],
    [
      'its strategy was dropped while it copied',
      { updateVolumesStrategy: '' },
      { ...failed, settledOn: 'source' },
      ENDED,
      'unneeded',
    ],
  ])('%s', (_, spec, state, now, wanted) => expect(verdict(machine(spec), ended(state), now)).toBe(wanted));

  it('tells who stopped it which claims are good, and offers no others', () => {
    const halted = machine({ runStrategy: 'Halted' });
    const told = (state: VmiMigrationState, now: number, exists = true) =>
      decideRecord(halted, ended(state), () => exists, now).message ?? '';
    const known = told({ ...failed, settledOn: 'source' }, ENDED);
    expect(known).toContain('the copies (root-new) are incomplete, what it wrote last is: root on root-old');
    expect(known).not.toContain('remove updateVolumesStrategy');
    expect(told({ ...failed, settledOn: 'source' }, ENDED, false)).toContain('PVC root-old does not exist: restore it');
    expect(told(failed, LATE)).toContain('remove updateVolumesStrategy to accept the targets');
    // The VMI is gone: what it said stays.
    const asked = machine(
      { runStrategy: 'Halted' },
      { conditions: [condition('VolumesChange'), { ...condition('ManualRecoveryRequired'), message: known }] },
    );
    expect(decideRecord(asked, undefined, () => true, LATE).message).toBe(known);
  });

  it('asks a human when the claims it needs are gone', () => {
    expect(verdict(machine(), ended({ ...failed, settledOn: 'source' }), ENDED, false)).toBe('required');
  });

  it('names the newest claims', () => {
    expect(newestClaims(machine(), ended({ ...failed, settledOn: 'source' }))).toEqual({ root: 'root-old' });
    expect(newestClaims(machine(), ended({ ...failed, settledOn: 'target' }))).toEqual({ root: 'root-new' });
  });
});

describe('the claims of the next start', () => {
  const crashed = ended({ ...failed, settledOn: 'source' });
  it('are those the guest wrote last when it ended by itself', () => {
    expect(restartsByItself(machine(), crashed)).toBe(true);
    expect(startsOnLastVolumes(machine(), crashed)).toBe(true);
    const vm = machine({}, { restartsOnLastVolumes: true });
    expect([...claimsToStartOn(vm)]).toEqual([['root', 'root-old']]);
    // Kept until a guest is there again; then the template's claims are copied to while it runs.
    expect(startsOnLastVolumes(vm, undefined)).toBe(true);
    expect(startsOnLastVolumes(vm, storedVmi({ phase: 'Running' }))).toBe(false);
  });

  it.each<[string, Stored<VirtualMachine>, Stored<VirtualMachineInstance> | undefined]>([
    ['a user stopped it', machine({ runStrategy: 'Halted' }), crashed],
    [
      'a user stopped it before it came back',
      machine({ runStrategy: 'Halted' }, { restartsOnLastVolumes: true }),
      undefined,
    ],
    ['a user restarted it, and no copy ran', machine(), storedVmi({ phase: 'Succeeded' }, { deleted: true })],
  ])('are the copied ones when %s', (_, vm, vmi) => expect(startsOnLastVolumes(vm, vmi)).toBe(false));

  it('are those it ran on when its change had not begun yet', () =>
    expect(startsOnLastVolumes(machine(), storedVmi({ phase: 'Failed' }))).toBe(true));

  it('are a mixture when a move in place had moved some of them', () => {
    const volumes = [
      ...listed,
      { volumeName: 'data', sourcePVCInfo: { claimName: 'data-old' }, destinationPVCInfo: { claimName: 'data-new' } },
    ];
    const vmi = ended({ ...failed, volumes, settledOn: 'source', movedVolumes: ['data'] });
    vmi.status = { ...vmi.status, migratedVolumes: volumes };
    const vm = machine({}, { lastVolumes: { root: 'root-old', data: 'data-old' } });
    vm.spec.template.spec.volumes = ['root-new', 'data-new'].map((claimName) => ({
      name: claimName.replace('-new', ''),
      persistentVolumeClaim: { claimName },
    }));
    expect(decideRecord(vm, vmi, () => true, ENDED).manualRecovery).toBe('unneeded');
    const lastVolumes = newestClaims(vm, vmi);
    expect(lastVolumes).toEqual({ root: 'root-old', data: 'data-new' });
    vm.status = { ...vm.status, restartsOnLastVolumes: true, ...(lastVolumes ? { lastVolumes } : {}) };
    expect([...claimsToStartOn(vm)]).toEqual([['root', 'root-old']]);
  });

  it('are not half-copied ones because the strategy was dropped meanwhile, until an edit accepts them', () => {
    const vm = machine({ updateVolumesStrategy: '' }, { restartsOnLastVolumes: true, observedGeneration: 1 });
    expect(startsOnLastVolumes(machine({ updateVolumesStrategy: '' }), crashed)).toBe(true);
    expect(claimsToStartOn(vm).get('root')).toBe('root-old');
    vm.metadata.generation = 2;
    expect(claimsToStartOn(vm).size).toBe(0);
  });

  it('are those of the template with Replacement', () =>
    expect(startsOnLastVolumes(machine({ updateVolumesStrategy: 'Replacement' }), storedVmi({ phase: 'Failed' }))).toBe(
      false,
    ));
});
