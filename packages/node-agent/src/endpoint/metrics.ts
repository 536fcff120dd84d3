import { Counter, Gauge, Registry } from 'prom-client';
import type { MigrationProgress } from '@godwit/api';

/** Every metric of a node agent. Names of migrations are KubeVirt's; labels are low in number and end with the guest. */
export interface AgentMetrics {
  readonly registry: Registry;
  migrationProgress(at: { namespace: string; name: string }, progress: MigrationProgress): void;
  migrationEnded(at: { namespace: string; name: string }, outcome: 'succeeded' | 'failed' | 'aborted'): void;
}

export function createAgentMetrics(node: string, machines: () => number): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ['namespace', 'name', 'node'] as const;
  const gauge = (name: string, help: string): Gauge<(typeof labelNames)[number]> =>
    new Gauge({ name, help, labelNames, registers });

  const total = gauge('kubevirt_vmi_migration_data_bytes_total', 'Bytes of memory and disks known to have to travel');
  const totalAlias = gauge(
    'kubevirt_vmi_migration_data_total_bytes',
    'Deprecated name of kubevirt_vmi_migration_data_bytes_total',
  );
  const processed = gauge(
    'kubevirt_vmi_migration_data_processed_bytes',
    'Bytes of memory and disks that have travelled',
  );
  const remaining = gauge('kubevirt_vmi_migration_data_remaining_bytes', 'Bytes of memory and disks still to travel');
  const dirtyRate = gauge(
    'kubevirt_vmi_migration_dirty_memory_rate_bytes',
    'Bytes of memory the guest dirties per second',
  );
  const rate = gauge('kubevirt_vmi_migration_memory_transfer_rate_bytes', 'Bytes that travel per second');
  const finished = new Counter({
    name: 'godwit_node_migrations_finished_total',
    help: 'Migrations this node was the source of, by outcome',
    labelNames: ['node', 'outcome'] as const,
    registers,
  });
  new Gauge({
    name: 'godwit_node_machines',
    help: 'Virtual machines that run on this node',
    labelNames: ['node'] as const,
    registers,
    collect() {
      this.set({ node }, machines());
    },
  });

  return {
    registry,
    migrationProgress(at, progress) {
      const labels = { ...at, node };
      total.set(labels, progress.bytesTotal);
      totalAlias.set(labels, progress.bytesTotal);
      processed.set(labels, progress.bytesDone);
      remaining.set(labels, Math.max(0, progress.bytesTotal - progress.bytesDone));
      dirtyRate.set(labels, progress.memory?.dirtyBytesPerSecond ?? 0);
      rate.set(labels, progress.bytesPerSecond ?? 0);
    },
    migrationEnded(at, outcome) {
      finished.inc({ node, outcome });
      for (const one of [total, totalAlias, processed, remaining, dirtyRate, rate]) one.remove({ ...at, node });
    },
  };
}
