import type { MigrationProgress } from '@godwit/api';
import { migrationGauges, volumeGauges } from './migration-gauges.ts';

type Outcome = 'succeeded' | 'failed' | 'aborted';
type Role = 'source' | 'target' | 'in-place';
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
  const running = new Map<string, At & { readonly progress: MigrationProgress }>();
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
      const { Counter, Gauge, Registry } = await import('prom-client');
      const registry = new Registry();
      const registers = [registry];
      for (const [name, help, valueOf] of migrationGauges) {
        const gauge = new Gauge({ name, help, labelNames: ['namespace', 'name', 'node'] as const, registers });
        for (const one of running.values()) {
          const value = valueOf(one.progress);
          if (value !== undefined) gauge.set({ namespace: one.namespace, name: one.name, node }, value);
        }
      }
      for (const [name, help, valueOf] of volumeGauges) {
        const labelNames = ['namespace', 'name', 'node', 'volume'] as const;
        const gauge = new Gauge({ name, help, labelNames, registers });
        for (const one of running.values())
          for (const volume of one.progress.volumes ?? []) {
            const value = valueOf(volume);
            const labels = { namespace: one.namespace, name: one.name, node, volume: volume.name };
            if (value !== undefined) gauge.set(labels, value);
          }
      }
      const finished = new Counter({
        name: 'godwit_node_migrations_finished_total',
        help: 'Migrations this node was the source of, by outcome, since its agent started',
        labelNames: ['node', 'outcome'] as const,
        registers,
      });
      for (const [outcome, count] of Object.entries(ended)) finished.inc({ node, outcome }, count);
      const { machines, migrations } = figures();
      const part = new Gauge({
        name: 'godwit_node_migrations_running',
        help: 'Migrations this node takes part in, by its role',
        labelNames: ['node', 'role'] as const,
        registers,
      });
      for (const role of ROLES) part.set({ node, role }, migrations.filter((one) => one === role).length);
      const held = new Gauge({
        name: 'godwit_node_machines',
        help: 'Virtual machines that run on this node',
        labelNames: ['node'] as const,
        registers,
      });
      held.set({ node }, machines);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
