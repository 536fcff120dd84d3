import type { MigrationProgress } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { createAgentMetrics } from './metrics.ts';
import { transferRates } from './migration-gauges.ts';

const progress: MigrationProgress = {
  updatedAt: '2026-01-01T00:00:00.000Z',
  stage: 'CopyingDisks',
  bytesTotal: 100,
  bytesDone: 40,
  bytesTransferred: 30,
  bytesPerSecond: 8,
  volumes: [
    { name: 'root', bytesTotal: 60, bytesDone: 30, bytesPerSecond: 9, dirtyBytesPerSecond: 2, etaSeconds: 5 },
    { name: 'data', bytesTotal: 30, bytesDone: 10 },
  ],
  memory: { bytesTotal: 10, bytesDone: 0, dirtyBytesPerSecond: 7, iteration: 1 },
};
const at = { namespace: 'ns', name: 'vm' };
const labels = 'namespace="ns",name="vm",node="n1"';

describe('metrics of a node agent', () => {
  it('show a migration while it runs and its outcome afterwards [SLM 6, 62]', async () => {
    const metrics = createAgentMetrics('n1', () => ({ machines: 2, migrations: ['source', 'target', 'source'] }));
    metrics.migrationProgress(at, progress);
    const during = (await metrics.render()).text.split('\n');
    expect(during).toEqual(
      expect.arrayContaining([
        `kubevirt_vmi_migration_data_bytes_total{${labels}} 100`,
        `kubevirt_vmi_migration_data_total_bytes{${labels}} 100`,
        `kubevirt_vmi_migration_data_processed_bytes{${labels}} 40`,
        `kubevirt_vmi_migration_data_remaining_bytes{${labels}} 60`,
        `kubevirt_vmi_migration_dirty_memory_rate_bytes{${labels}} 7`,
        `kubevirt_vmi_migration_memory_transfer_rate_bytes{${labels}} 0`,
        `kubevirt_vmi_migration_disk_transfer_rate_bytes{${labels}} 8`,
        `godwit_vmi_migration_transferred_bytes{${labels}} 30`,
        `godwit_vmi_migration_throttle_percent{${labels}} 0`,
        'godwit_node_machines{node="n1"} 2',
        'godwit_node_migrations_running{node="n1",role="source"} 2',
        'godwit_node_migrations_running{node="n1",role="target"} 1',
        'godwit_node_migrations_running{node="n1",role="in-place"} 0',
      ]),
    );
    metrics.migrationEnded(at, 'succeeded');
    const after = (await metrics.render()).text;
    expect(after).not.toContain(labels);
    expect(after).toContain('godwit_node_migrations_finished_total{node="n1",outcome="succeeded"} 1');
  });

  it('tell volumes apart, and leave out what is not known of one', async () => {
    const metrics = createAgentMetrics('n1', () => ({ machines: 0, migrations: [] }));
    metrics.migrationProgress(at, progress);
    const { text } = await metrics.render();
    expect(text).toContain(`godwit_vmi_migration_volume_total_bytes{${labels},volume="root"} 60`);
    expect(text).toContain(`godwit_vmi_migration_volume_done_bytes{${labels},volume="data"} 10`);
    expect(text).toContain(`godwit_vmi_migration_volume_dirty_rate_bytes{${labels},volume="root"} 2`);
    expect(text).toContain(`godwit_vmi_migration_volume_eta_seconds{${labels},volume="root"} 5`);
    expect(text).not.toContain(`godwit_vmi_migration_volume_copy_rate_bytes{${labels},volume="data"}`);
    expect(text).not.toContain(`godwit_vmi_migration_eta_seconds{`);
  });

  it('show what an earlier agent told of a migration, until newer figures come or it ends', async () => {
    const metrics = createAgentMetrics('n1', () => ({ machines: 0, migrations: [] }));
    const done = async () => /data_processed_bytes\{[^}]*\} (\d+)/.exec((await metrics.render()).text)?.[1];
    metrics.recall(at, { ...progress, stage: 'Done' });
    expect(await done()).toBeUndefined();
    metrics.recall(at, progress);
    expect(await done()).toBe('40');
    metrics.migrationProgress(at, { ...progress, bytesDone: 50 });
    metrics.recall(at, progress);
    expect(await done()).toBe('50');
    metrics.migrationEnded(at, 'failed');
    metrics.recall(at, progress);
    expect(await done()).toBeUndefined();
  });

  it.each(['Done', 'Failed'] as const)(
    'forget a migration whose last figures, %s, come after its end',
    async (stage) => {
      const metrics = createAgentMetrics('n1', () => ({ machines: 0, migrations: [] }));
      metrics.migrationProgress(at, progress);
      metrics.migrationEnded(at, 'aborted');
      metrics.migrationProgress(at, { ...progress, stage });
      expect((await metrics.render()).text).not.toContain(labels);
    },
  );
});

describe('rates', () => {
  it.each<[string, Partial<MigrationProgress>, { disks: number; memory: number }]>([
    ['of disks alone before memory travels, holes left out', {}, { disks: 8, memory: 0 }],
    ['of both', { stage: 'CopyingMemory', bytesPerSecond: 20 }, { disks: 9, memory: 11 }],
    ['never below nothing', { stage: 'CopyingMemory' }, { disks: 8, memory: 0 }],
    ['of memory alone', { stage: 'CopyingMemory', volumes: [] }, { disks: 0, memory: 8 }],
  ])('%s', (_, changes, rates) => {
    expect(transferRates({ ...progress, ...changes })).toEqual(rates);
  });
});
