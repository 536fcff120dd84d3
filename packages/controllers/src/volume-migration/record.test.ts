import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedVmi } from '../virt/testing/objects.ts';
import { decideRecord } from './record.ts';
import { listed, machineWith } from './testing/objects.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');

const vmWith = (claim: string, strategy?: string): Stored<VirtualMachine> => machineWith({ root: claim }, strategy);

const copying = (claim: string): Stored<VirtualMachineInstance> =>
  storedVmi({ phase: 'Running', migratedVolumes: [listed()], conditions: [condition('VolumesChange')] }, { claim });

describe("the VM's record of a volume migration [SLM 5.2 #23]", () => {
  const recorded = { volumeUpdateState: { volumeMigrationState: { migratedVolumes: [listed()] } } };
  const withRecord = (
    claim: string,
    strategy: string,
    conditions = [condition('VolumesChange')],
  ): Stored<VirtualMachine> => ({
    ...vmWith(claim, strategy),
    status: { ...recorded, conditions },
  });
  it.each<[string, Stored<VirtualMachine>, Stored<VirtualMachineInstance> | undefined, boolean, string]>([
    ['starts with the copy', vmWith('root-new'), copying('root-new'), true, 'unchanged'],
    [
      'stays after success',
      withRecord('root-new', 'Migration', []),
      storedVmi({ phase: 'Running' }, { claim: 'root-new' }),
      true,
      'unchanged',
    ],
    ['guest gone in the middle', withRecord('root-new', 'Migration'), undefined, true, 'required'],
    [
      'guest ended in the middle',
      withRecord('root-new', 'Migration'),
      storedVmi({ phase: 'Failed', migratedVolumes: [listed()] }),
      true,
      'unneeded',
    ],
    [
      'user stopped the guest in the middle',
      { ...withRecord('root-new', 'Migration'), spec: { ...vmWith('root-new').spec, runStrategy: 'Halted' } },
      storedVmi({ phase: 'Running', migratedVolumes: [listed()] }, { deleted: true }),
      true,
      'required',
    ],
    ['guest gone long after success', withRecord('root-new', 'Migration', []), undefined, true, 'unchanged'],
    ['claims set back', withRecord('root-old', 'Migration'), undefined, false, 'cleared'],
    ['strategy dropped', withRecord('root-new', 'none'), undefined, false, 'cleared'],
    ['never any', vmWith('root-new'), undefined, false, 'unchanged'],
  ])('%s', (_, vm, vmi, kept, manualRecovery) => {
    const verdict = decideRecord(vm, vmi, () => true, NOW);
    expect(verdict.migratedVolumes !== undefined).toBe(kept);
    expect(verdict.manualRecovery).toBe(manualRecovery);
  });
});
