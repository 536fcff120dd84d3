import { describe, expect, it } from 'vitest';
import { createAgentMetrics } from './metrics.ts';

const progress = {
  updatedAt: '2026-01-01T00:00:00.000Z',
  stage: 'CopyingDisks',
  bytesTotal: 100,
  bytesDone: 40,
  memory: { bytesTotal: 10, bytesDone: 0, dirtyBytesPerSecond: 7 },
} as const;

describe('metrics of a node agent', () => {
  it('show a migration while it runs and its outcome afterwards', async () => {
    const metrics = createAgentMetrics('n1', () => 2);
    const at = { namespace: 'ns', name: 'vm' };
    metrics.migrationProgress(at, progress);
    const labels = '{namespace="ns",name="vm",node="n1"}';
    const during = (await metrics.render()).text;
    expect(during).toContain(`kubevirt_vmi_migration_data_remaining_bytes${labels} 60`);
    expect(during).toContain(`kubevirt_vmi_migration_dirty_memory_rate_bytes${labels} 7`);
    expect(during).toContain('godwit_node_machines{node="n1"} 2');
    metrics.migrationEnded(at, 'succeeded');
    const after = (await metrics.render()).text;
    expect(after).not.toContain(labels);
    expect(after).toContain('godwit_node_migrations_finished_total{node="n1",outcome="succeeded"} 1');
  });
});
