import type { MigrationProgress } from '@godwit/api';

type Outcome = 'succeeded' | 'failed' | 'aborted';

/** Figures of a node agent. Names of migrations are KubeVirt's; labels are few and end with the migration. */
export interface AgentMetrics {
  migrationProgress(at: { namespace: string; name: string }, progress: MigrationProgress): void;
  migrationEnded(at: { namespace: string; name: string }, outcome: Outcome): void;
  /** Everything in Prometheus' text format. The library is loaded on first use: most agents are never asked. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Every gauge of a running migration: name, help, and its value. */
const MIGRATION_GAUGES: readonly (readonly [string, string, (progress: MigrationProgress) => number])[] = [
  [
    'kubevirt_vmi_migration_data_bytes_total',
    'Bytes of memory and disks known to have to travel',
    (progress) => progress.bytesTotal,
  ],
  [
    'kubevirt_vmi_migration_data_total_bytes',
    'Deprecated name of kubevirt_vmi_migration_data_bytes_total',
    (progress) => progress.bytesTotal,
  ],
  [
    'kubevirt_vmi_migration_data_processed_bytes',
    'Bytes of memory and disks that have travelled',
    (progress) => progress.bytesDone,
  ],
  [
    'kubevirt_vmi_migration_data_remaining_bytes',
    'Bytes of memory and disks still to travel',
    (progress) => Math.max(0, progress.bytesTotal - progress.bytesDone),
  ],
  [
    'kubevirt_vmi_migration_dirty_memory_rate_bytes',
    'Bytes of memory the guest dirties per second',
    (progress) => progress.memory?.dirtyBytesPerSecond ?? 0,
  ],
  [
    'kubevirt_vmi_migration_memory_transfer_rate_bytes',
    'Bytes that travel per second',
    (progress) => progress.bytesPerSecond ?? 0,
  ],
];

export function createAgentMetrics(node: string, machines: () => number): AgentMetrics {
  const running = new Map<string, { namespace: string; name: string; progress: MigrationProgress }>();
  const ended: Record<Outcome, number> = { succeeded: 0, failed: 0, aborted: 0 };
  const keyOf = (at: { namespace: string; name: string }): string => `${at.namespace}/${at.name}`;

  return {
    migrationProgress(at, progress) {
      running.set(keyOf(at), { ...at, progress });
    },
    migrationEnded(at, outcome) {
      ended[outcome] += 1;
      running.delete(keyOf(at));
    },
    async render() {
      const { Counter, Gauge, Registry } = await import('prom-client');
      const registry = new Registry();
      const registers = [registry];
      for (const [name, help, valueOf] of MIGRATION_GAUGES) {
        const gauge = new Gauge({ name, help, labelNames: ['namespace', 'name', 'node'] as const, registers });
        for (const one of running.values())
          gauge.set({ namespace: one.namespace, name: one.name, node }, valueOf(one.progress));
      }
      const finished = new Counter({
        name: 'godwit_node_migrations_finished_total',
        help: 'Migrations this node was the source of, by outcome',
        labelNames: ['node', 'outcome'] as const,
        registers,
      });
      for (const [outcome, count] of Object.entries(ended)) finished.inc({ node, outcome }, count);
      const held = new Gauge({
        name: 'godwit_node_machines',
        help: 'Virtual machines that run on this node',
        labelNames: ['node'] as const,
        registers,
      });
      held.set({ node }, machines());
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
