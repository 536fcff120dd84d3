import type { Stored, VirtualMachineInstanceMigration, VmimPhase } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration } from '../virt/testing/objects.ts';
import { render } from '@godwit/core/exposition';
import { createTransitions } from './transitions.ts';

const created = Date.parse('2026-01-01T00:00:00Z');
const key = { namespace: 'default', name: 'm' };
const name = 'kubevirt_vmi_migration_phase_transition_time_from_creation_seconds';

function entered(...phases: readonly (readonly [VmimPhase, number])[]): Stored<VirtualMachineInstanceMigration> {
  const migration = storedMigration('m');
  const at = (seconds: number): string => new Date(created + seconds * 1000).toISOString();
  migration.status = {
    phaseTransitionTimestamps: phases.map(([phase, seconds]) => ({ phase, phaseTransitionTimestamp: at(seconds) })),
  };
  return migration;
}

describe('times of phases', () => {
  it('count every phase of a migration once, in the buckets it fits', async () => {
    const transitions = createTransitions(created);
    transitions.observe(key, entered(['Pending', 0]));
    transitions.observe(key, entered(['Pending', 0], ['Running', 45], ['Succeeded', 7200]));
    transitions.observe(key, entered(['Pending', 0], ['Running', 45], ['Succeeded', 7200]));
    const text = (await render([transitions.family()])).text.split('\n');
    expect(text).toEqual(
      expect.arrayContaining([
        `# TYPE ${name} histogram`,
        `${name}_bucket{le="0.5",phase="Pending"} 1`,
        `${name}_bucket{le="40",phase="Running"} 0`,
        `${name}_bucket{le="50",phase="Running"} 1`,
        `${name}_bucket{le="3600",phase="Succeeded"} 0`,
        `${name}_bucket{le="+Inf",phase="Succeeded"} 1`,
        `${name}_sum{phase="Running"} 45`,
        `${name}_count{phase="Running"} 1`,
      ]),
    );
  });

  it('leave out what was before these controllers, whose predecessors have counted it', async () => {
    const transitions = createTransitions(created + 10_900);
    transitions.observe(key, entered(['Pending', 0], ['Running', 10], ['Succeeded', 20]));
    const { text } = await render([transitions.family()]);
    expect(text).not.toContain('Pending');
    expect(text).toContain(`${name}_count{phase="Running"} 1`);
    expect(text).toContain(`${name}_count{phase="Succeeded"} 1`);
  });

  it('count anew another migration of the same name', async () => {
    const transitions = createTransitions(created);
    const first = entered(['Pending', 1]);
    transitions.observe(key, first);
    transitions.observe(key, undefined);
    transitions.observe(key, { ...first, metadata: { ...first.metadata, uid: 'other' } });
    transitions.observe(key, { ...first, metadata: { ...first.metadata, uid: 'third' } });
    expect((await render([transitions.family()])).text).toContain(`${name}_count{phase="Pending"} 3`);
  });
});
