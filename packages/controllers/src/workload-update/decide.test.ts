import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { decideUpdate, exhaustedCondition, renderUpdate } from './decide.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const listed = [
  { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
];
const ours = { 'kubevirt.io/workloadUpdateMigration': '' };

function vmi(status: VirtualMachineInstance['status'] = {}): Stored<VirtualMachineInstance> {
  return storedVmi(
    { phase: 'Running', migratedVolumes: listed, conditions: [condition('VolumesChange')], ...status },
    { claim: 'root-new' },
  );
}
const failed = (count: number, minute: string): Stored<VirtualMachineInstanceMigration>[] =>
  Array.from({ length: count }, (_, index) =>
    storedMigration(`f${index}`, { phase: 'Failed', endedAt: `2026-01-01T00:${minute}:00Z` }),
  );

describe('workload updater', () => {
  it('asks for a migration with the marks that clients look for [SLM 5.2 #25, 6.4 #5]', () => {
    const plan = decideUpdate({ vmi: vmi(), migrations: [], methods: ['LiveMigrate'] }, now);
    expect(plan.create).toMatchObject({
      metadata: {
        generateName: 'kubevirt-workload-update-',
        annotations: { 'kubevirt.io/workloadUpdateMigration': '' },
        labels: { 'kubevirt.io/volume-update-migration': 'vm1', 'kubevirt.io/vmi-name': 'vm1' },
      },
      spec: { vmiName: 'vm1', priority: 'user-triggered' },
    });
    const long = vmi();
    long.metadata.name = 'x'.repeat(64);
    expect(renderUpdate(long).metadata.labels?.['kubevirt.io/volume-update-migration']).toBe('vmi-uid');
  });

  it('passes on that the VM wants its disks compared', () => {
    const update = (verify: boolean) =>
      decideUpdate({ vmi: vmi(), migrations: [], methods: ['LiveMigrate'], verify }, now).create?.metadata.annotations;
    expect(update(true)).toMatchObject({ 'godwit.dev/verify': 'true' });
    expect(update(false)).not.toHaveProperty('godwit.dev/verify');
  });

  it.each<[string, Stored<VirtualMachineInstance>, Stored<VirtualMachineInstanceMigration>[], string[]]>([
    ['nobody asked', vmi({ conditions: [] }), [], ['LiveMigrate']],
    ['the spec still names the sources', { ...vmi(), spec: storedVmi().spec }, [], ['LiveMigrate']],
    ['a migration is on its way', vmi(), [storedMigration('m1', { phase: 'Running' })], ['LiveMigrate']],
    ['one has failed a moment ago', vmi(), failed(1, '59'), ['LiveMigrate']],
    [
      'the node agent has not found it migratable yet',
      vmi({ conditions: [condition('VolumesChange'), condition('LiveMigratable', 'False')] }),
      [],
      ['LiveMigrate'],
    ],
    ['only Evict is configured: a volume change never evicts [SLM H5]', vmi(), [], ['Evict']],
  ])('does not when %s', (what, seen, migrations, methods) => {
    const at = what.includes('moment') ? Date.parse('2026-01-01T00:59:10Z') : now;
    expect(decideUpdate({ vmi: seen, migrations, methods }, at).create).toBeUndefined();
  });

  it('waits before it starts over what a user has cancelled by deleting its migration [SLM 2.12]', () => {
    const migrationState = {
      migrationUid: 'deleted',
      failed: true,
      abortRequested: true,
      endTimestamp: '2026-01-01T00:59:55Z',
      failureReason: 'The migration was aborted',
    };
    const plan = decideUpdate({ vmi: vmi({ migrationState }), migrations: [], methods: ['LiveMigrate'] }, now);
    expect(plan).toMatchObject({ requeueAfterMs: 15_000 });
    expect(plan.create).toBeUndefined();
    expect(plan.next.status?.conditions).toContainEqual(
      expect.objectContaining({
        reason: 'MigrationBackoff',
        message: expect.stringContaining('To withdraw the change, set the volumes back') as string,
      }),
    );
    const later = decideUpdate(
      { vmi: vmi({ migrationState }), migrations: [], methods: ['LiveMigrate'] },
      now + 15_000,
    );
    expect(later.create).toBeDefined();
  });

  it('asks also for a guest that its other disks keep on its node: the move may be one in place', () => {
    const kept = condition('LiveMigratable', 'False', { reason: 'DisksNotLiveMigratable' });
    const create = (...more: Condition[]) =>
      decideUpdate(
        {
          vmi: vmi({ conditions: [condition('VolumesChange'), kept, ...more] }),
          migrations: [],
          methods: ['LiveMigrate'],
        },
        now,
      ).create;
    expect(create()).toBeDefined();
    expect(create(condition('StorageLiveMigratable', 'False'))).toBeUndefined();
  });

  it('asks for a guest that nothing can move when its volumes change where it is', () => {
    const bridged = vmi({
      conditions: [
        condition('VolumesChange'),
        condition('LiveMigratable', 'False', { reason: 'InterfaceNotLiveMigratable' }),
        condition('StorageLiveMigratable', 'False'),
      ],
    });
    const create = (inPlace: boolean) =>
      decideUpdate({ vmi: bridged, migrations: [], methods: ['LiveMigrate'], inPlace }, now).create;
    expect(create(true)).toBeDefined();
    expect(create(false)).toBeUndefined();
  });

  it.each([
    ['a target that is too small', 'volume root: target has 5 bytes, 9 are needed', undefined, 'TargetTooSmall'],
    ['the same, said by the engine', 'The target of disk root has 5 bytes, 9 are needed', undefined, 'TargetTooSmall'],
    ['a device that cannot be had', 'Disk "x" wants bus "usb"', 'MACHINE_UNSUPPORTED', 'NotSupported'],
    ['a full target', 'mirror failed: No space left on device', undefined, undefined],
    [
      'a paused guest',
      'VMI vm1 is paused; its disks can be compared in place once it runs again',
      'MOVE_UNSUPPORTED',
      undefined,
    ],
  ])('after %s tries again only when that can help', (_, failureReason, failureCode, terminal) => {
    const [one] = failed(1, '10');
    if (one?.status)
      one.status.migrationState = { failureReason, ...(failureCode === undefined ? {} : { failureCode }) };
    const plan = decideUpdate({ vmi: vmi(), migrations: one ? [one] : [], methods: ['LiveMigrate'] }, now);
    const said = plan.next.status?.conditions?.find((each) => each.type === exhaustedCondition);
    expect(said?.reason).toBe(terminal);
    expect(plan.create === undefined).toBe(terminal !== undefined);
    if (terminal !== undefined) expect(said?.message).toContain(failureReason);
  });

  it('backs off after a failure, and tells so once [SLM 12, 53]', () => {
    const at = Date.parse('2026-01-01T00:59:10Z');
    const first = decideUpdate({ vmi: vmi(), migrations: failed(1, '59'), methods: ['LiveMigrate'] }, at);
    expect(first.events).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'MigrationBackoff' }));
    expect(first.requeueAfterMs).toBe(10_000);
    const again = decideUpdate({ vmi: first.next, migrations: failed(1, '59'), methods: ['LiveMigrate'] }, at + 1_000);
    expect(again.events).toEqual([]);
  });

  it('says so when nobody migrates by itself', () => {
    const { next } = decideUpdate({ vmi: vmi(), migrations: [], methods: [] }, now);
    expect(next.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'VolumesChange', status: 'True', reason: 'NotAutomated' }),
    );
  });

  it('stops after five failures with a reason, and forgets that once the change is withdrawn', () => {
    const tired = decideUpdate({ vmi: vmi(), migrations: failed(5, '10'), methods: ['LiveMigrate'] }, now);
    expect(tired.create).toBeUndefined();
    expect(tired.next.status?.conditions).toContainEqual(
      expect.objectContaining({ type: exhaustedCondition, reason: 'RetriesExhausted' }),
    );
    const calm = decideUpdate(
      { vmi: vmi({ conditions: [condition(exhaustedCondition)] }), migrations: [], methods: ['LiveMigrate'] },
      now,
    );
    expect(calm.next.status?.conditions).toEqual([]);
  });

  const running = storedMigration('m1', { phase: 'Running', annotations: ours });
  const withdrawn = condition('VolumesChange', 'False', { reason: 'VolumesChangeCancellation' });
  it.each<[string, VirtualMachineInstance['status'], Stored<VirtualMachineInstanceMigration>, number]>([
    ['still wanted', {}, running, 0],
    ['withdrawn [SLM 5.2 #25]', { conditions: [withdrawn] }, running, 1],
    [
      'withdrawn, but somebody else asked for it',
      { conditions: [withdrawn] },
      storedMigration('m1', { phase: 'Running' }),
      0,
    ],
    [
      'withdrawn, but the guest is there already [SLM 5.2 #25]',
      { conditions: [withdrawn], migrationState: { migrationUid: 'uid-m1', targetNodeDomainReadyTimestamp: 't' } },
      running,
      0,
    ],
    [
      'finishing: the agent has taken the wish away',
      { conditions: [], migrationState: { migrationUid: 'uid-m1', startTimestamp: 't' } },
      running,
      0,
    ],
  ])('aborts its migration when %s: %#', (_, status, migration, aborted) => {
    expect(
      decideUpdate({ vmi: vmi(status), migrations: [migration], methods: ['LiveMigrate'] }, now).abort,
    ).toHaveLength(aborted);
  });
});
