import { describe, expect, it } from 'vitest';
import { claim } from '../testing/objects.ts';
import { condition, storedMigration, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { render } from '@godwit/core/exposition';
import { guestFamilies } from './guest-families.ts';
import type { SeenCluster } from './seen.ts';

async function lines(seen: Partial<SeenCluster>): Promise<string[]> {
  const nothing: SeenCluster = {
    migrations: [],
    instances: [],
    machines: [],
    kubeVirt: undefined,
    claim: () => undefined,
  };
  return (await render(guestFamilies({ ...nothing, ...seen }))).text.split('\n');
}

const notEvictable = (value: number): string =>
  `kubevirt_vmi_non_evictable{node="n1",namespace="default",name="vm1"} ${value}`;

describe('figures of guests', () => {
  it('count by node those that are to leave, are on their way, and were given up', async () => {
    const leaving = storedVmi({ nodeName: 'n1', conditions: [condition('EvictionRequested')] });
    const stuck = storedVmi({
      nodeName: 'n2',
      conditions: [condition('EvictionRequested'), condition('EvacuationFailed')],
    });
    const annotations = { 'kubevirt.io/evacuationMigration': 'n1' };
    const migrations = [
      storedMigration('a', { phase: 'Running', annotations }),
      storedMigration('b', { phase: 'Succeeded', annotations }),
      storedMigration('c', { phase: 'Running' }),
    ];
    const text = await lines({ instances: [leaving, leaving, stuck, storedVmi({ nodeName: 'n3' })], migrations });
    expect(text.filter((line) => line.startsWith('godwit_evacuation'))).toEqual([
      'godwit_evacuation_guests{node="n1"} 2',
      'godwit_evacuation_guests{node="n2"} 1',
      'godwit_evacuation_migrations{node="n1"} 1',
      'godwit_evacuation_given_up{node="n2"} 1',
    ]);
  });

  it.each<[string, 'LiveMigrate' | 'LiveMigrateIfPossible', 'True' | 'False', number]>([
    ['must and cannot leave', 'LiveMigrate', 'False', 1],
    ['must and can leave', 'LiveMigrate', 'True', 0],
    ['need not leave', 'LiveMigrateIfPossible', 'False', 0],
  ])('say that a guest cannot be evicted only when it %s', async (_, evictionStrategy, migratable, value) => {
    const vmi = storedVmi({ nodeName: 'n1', conditions: [condition('LiveMigratable', migratable)] });
    vmi.spec.evictionStrategy = evictionStrategy;
    expect(await lines({ instances: [vmi] })).toContain(notEvictable(value));
    expect(await lines({ instances: [{ ...vmi, status: { phase: 'Succeeded' } }] })).not.toContain(notEvictable(0));
  });

  it('tell since when a VM is migrated', async () => {
    const name = 'kubevirt_vm_migrating_status_last_transition_timestamp_seconds{name="vm1",namespace="default"}';
    const instances = [storedVmi({ migrationState: { startTimestamp: '2026-01-01T00:00:00Z' } })];
    const machines = [storedVm({}, { printableStatus: 'Migrating' })];
    expect(await lines({ instances, machines })).toContain(`${name} 1767225600`);
    expect(await lines({ instances, machines: [storedVm({}, { printableStatus: 'Running' })] })).toContain(`${name} 0`);
  });

  it('tell what the claims of a VM ask for', async () => {
    const of = 'name="vm1",namespace="default",persistentvolumeclaim="root-old",volume_mode="Filesystem",device="root"';
    const text = await lines({ machines: [storedVm()], claim: (_, name) => claim(name) });
    expect(text).toContain(`kubevirt_vm_disk_allocated_size_bytes{${of}} 1073741824`);
    expect((await lines({ machines: [storedVm()] })).join('\n')).not.toContain(of);
  });
});
