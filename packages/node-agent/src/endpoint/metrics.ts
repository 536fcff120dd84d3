import type { MigrationProgress } from '@godwit/api';
import { gauge, render } from '@godwit/core/exposition';
import type { Labels, Sample } from '@godwit/core/exposition';
import { migrationGauges, volumeGauges } from './migration-gauges.ts';

type Outcome = 'succeeded' | 'failed' | 'aborted';
type Role = 'source' | 'target' | 'in-place';
type Running = At & { readonly progress: MigrationProgress };
type At = { readonly namespace: string; readonly name: string };

/** Figures of a node agent. Names of migrations are KubeVirt's; labels are few and end with the migration. */
export interface AgentMetrics {
  migrationProgress(at: At, progress: MigrationProgress): void;
  /** Figures of a migration that an earlier agent has told, unless newer ones came; none of one that has ended. */
  recall(at: At, progress: MigrationProgress): void;
  migrationEnded(at: At, outcome: Outcome): void;
  /** Everything in Prometheus' text format. The library is loaded on first use: most agents are never asked. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What the agent has in its hands at this moment. */
export interface AgentFigures {
  readonly machines: number;
  /** Roles of the migrations that run. */
  readonly migrations: readonly Role[];
}

const ROLES: readonly Role[] = ['source', 'target', 'in-place'];

export function createAgentMetrics(node: string, figures: () => AgentFigures): AgentMetrics {
  const running = new Map<string, Running>();
  const labelsOf = ({ namespace, name }: At): Labels => ({ namespace, name, node });
  const ended: Record<Outcome, number> = { succeeded: 0, failed: 0, aborted: 0 };
  const over = new Set<string>();
  const keyOf = (at: At): string => `${at.namespace}/${at.name}`;

  return {
    migrationProgress(at, progress) {
      const { namespace, name } = at;
      // The last figures may come after the end was told.
      if (progress.stage === 'Done' || progress.stage === 'Failed') running.delete(keyOf(at));
      else {
        over.delete(keyOf(at));
        running.set(keyOf(at), { namespace, name, progress });
      }
    },
    recall({ namespace, name }, progress) {
      const key = keyOf({ namespace, name });
      const isNews = !running.has(key) && !over.has(key) && progress.stage !== 'Done' && progress.stage !== 'Failed';
      if (isNews) running.set(key, { namespace, name, progress });
    },
    migrationEnded(at, outcome) {
      ended[outcome] += 1;
      over.add(keyOf(at));
      running.delete(keyOf(at));
    },
    async render() {
      const { machines, migrations } = figures();
      const perVolume = (one: Running) => (one.progress.volumes ?? []).map((volume) => ({ ...one, volume }));
      return render([
        ...migrationGauges.map(([name, help, valueOf]) =>
          gauge(
            name,
            help,
            samplesOf([...running.values()], labelsOf, (one) => valueOf(one.progress)),
          ),
        ),
        ...volumeGauges.map(([name, help, valueOf]) =>
          gauge(
            name,
            help,
            samplesOf(
              [...running.values()].flatMap(perVolume),
              (one) => ({ ...labelsOf(one), volume: one.volume.name }),
              (one) => valueOf(one.volume),
            ),
          ),
        ),
        {
          name: 'godwit_node_migrations_finished_total',
          help: 'Migrations this node was the source of, by outcome, since its agent started',
          type: 'counter',
          samples: Object.entries(ended).map(([outcome, value]) => ({ labels: { node, outcome }, value })),
        },
        gauge(
          'godwit_node_migrations_running',
          'Migrations this node takes part in, by its role',
          ROLES.map((role) => ({ labels: { node, role }, value: migrations.filter((one) => one === role).length })),
        ),
        gauge('godwit_node_machines', 'Virtual machines that run on this node', [
          { labels: { node }, value: machines },
        ]),
      ]);
    },
  };
}

/** What is not known is no sample. */
function samplesOf<T>(
  all: readonly T[],
  labelsOf: (one: T) => Labels,
  valueOf: (one: T) => number | undefined,
): Sample[] {
  return all.flatMap((one) => {
    const value = valueOf(one);
    return value === undefined ? [] : [{ labels: labelsOf(one), value }];
  });
}
