import type { ObjectKey, Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Family } from '@godwit/core/exposition';

const NAME = 'kubevirt_vmi_migration_phase_transition_time_from_creation_seconds';
/** Upper bounds in seconds, as KubeVirt has them (kubevirt/kubevirt:pkg/monitoring/metrics/virt-controller). */
const BOUNDS: readonly number[] = [0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600];

type Migration = Stored<VirtualMachineInstanceMigration>;

interface Counts {
  /** Per bound, not cumulated; the last is for what is beyond all bounds. */
  readonly buckets: number[];
  sum: number;
}

/** How long after its creation each migration entered each phase: every entry counts once, those before `sinceMs` never. */
export interface Transitions {
  observe(key: ObjectKey, migration: Migration | undefined): void;
  family(): Family;
}

export function createTransitions(sinceMs: number): Transitions {
  const counts = new Map<string, Counts>();
  const known = new Map<string, { readonly uid: string; readonly phases: Set<string> }>();
  // The times of phases are whole seconds.
  const since = Math.floor(sinceMs / 1000) * 1000;

  function count(phase: string, seconds: number): void {
    const of = counts.get(phase) ?? { buckets: [...BOUNDS, Infinity].map(() => 0), sum: 0 };
    const index = BOUNDS.findIndex((bound) => seconds <= bound);
    const at = index < 0 ? BOUNDS.length : index;
    of.buckets[at] = (of.buckets[at] ?? 0) + 1;
    of.sum += seconds;
    counts.set(phase, of);
  }

  return {
    observe(key, migration) {
      const at = `${key.namespace}/${key.name}`;
      if (!migration) return void known.delete(at);
      const { uid, creationTimestamp } = migration.metadata;
      const before = known.get(at);
      const one = before?.uid === uid ? before : { uid, phases: new Set<string>() };
      known.set(at, one);
      for (const { phase, phaseTransitionTimestamp } of migration.status?.phaseTransitionTimestamps ?? []) {
        if (one.phases.has(phase)) continue;
        one.phases.add(phase);
        const enteredMs = Date.parse(phaseTransitionTimestamp);
        if (enteredMs >= since) count(phase, Math.max(0, (enteredMs - Date.parse(creationTimestamp)) / 1000));
      }
    },
    family() {
      const samples = [...counts].flatMap(([phase, { buckets, sum }]) => {
        let below = 0;
        const cumulated = buckets.map((value, index) => {
          below += value;
          const le = index < BOUNDS.length ? String(BOUNDS[index]) : '+Inf';
          return { metricName: `${NAME}_bucket`, labels: { le, phase }, value: below };
        });
        return [
          ...cumulated,
          { metricName: `${NAME}_sum`, labels: { phase }, value: sum },
          { metricName: `${NAME}_count`, labels: { phase }, value: below },
        ];
      });
      return {
        name: NAME,
        help: 'How long after its creation a migration entered the phase, since these controllers started',
        type: 'histogram',
        samples,
      };
    },
  };
}
