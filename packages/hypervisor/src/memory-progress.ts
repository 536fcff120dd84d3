import type { MigrationInfo } from '@godwit/qmp';
import type { MemoryProgress } from './contract/memory-sending.ts';

const STATUSES: Readonly<Record<string, MemoryProgress['status']>> = {
  none: 'none',
  setup: 'setup',
  'wait-unplug': 'setup',
  active: 'active',
  colo: 'active',
  'pre-switchover': 'pre-switchover',
  device: 'device',
  'postcopy-active': 'postcopy-active',
  'postcopy-paused': 'postcopy-paused',
  'postcopy-recover': 'postcopy-recover',
  completed: 'completed',
  failed: 'failed',
  cancelling: 'cancelling',
  cancelled: 'cancelled',
};

/** Reads `query-migrate`; before the first migration QEMU answers with nothing at all. */
export function memoryProgressOf(info: MigrationInfo): MemoryProgress {
  const { ram } = info;
  const expected = info['expected-downtime'];
  const error = info['error-desc'];
  const throttle = info['cpu-throttle-percentage'];
  return {
    status: STATUSES[info.status ?? 'none'] ?? 'failed',
    bytesTotal: ram?.total ?? 0,
    bytesDone: ram?.transferred ?? 0,
    bytesRemaining: ram?.remaining ?? 0,
    dirtyBytesPerSecond: (ram?.['dirty-pages-rate'] ?? 0) * (ram?.['page-size'] ?? 0),
    bytesPerSecond: Math.round(((ram?.mbps ?? 0) * 1e6) / 8),
    iteration: ram?.['dirty-sync-count'] ?? 0,
    ...(expected === undefined ? {} : { expectedDowntimeMs: expected }),
    ...(info.downtime === undefined ? {} : { downtimeMs: info.downtime }),
    ...(throttle === undefined || throttle === 0 ? {} : { throttlePercent: throttle }),
    ...(error === undefined ? {} : { error }),
  };
}
