import type { DataVolume, PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { printableStatus } from './printable-status.ts';
import type { StatusFacts } from './printable-status.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const pending: PersistentVolumeClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {},
  spec: {},
  status: { phase: 'Pending' },
};

function dv(phase: NonNullable<DataVolume['status']>['phase']): DataVolume {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: {},
    spec: {},
    status: phase === undefined ? {} : { phase },
  };
}

function facts(changes: {
  vm?: VirtualMachine;
  vmi?: VirtualMachineInstance;
  dataVolumes?: DataVolume[];
  claims?: PersistentVolumeClaim[];
  startFailures?: number;
}): StatusFacts {
  return { vm: storedVm(), vmi: undefined, dataVolumes: [], claims: [], startFailures: 0, nowMs: now, ...changes };
}

const live = (status: VirtualMachineInstance['status']): VirtualMachineInstance => storedVmi(status);
const synchronized = (reason: string): VirtualMachineInstance =>
  live({ phase: 'Pending', conditions: [condition('Synchronized', 'False', { reason })] });

describe('printable status [SLM 6.4 #8]', () => {
  it.each<[string, StatusFacts]>([
    ['Stopping', facts({ vmi: storedVmi({ phase: 'Running' }, { deleted: true }) })],
    [
      'Migrating',
      facts({
        vmi: live({
          phase: 'Running',
          conditions: [condition('Paused')],
          migrationState: { startTimestamp: '2026-01-01T00:59:00Z' },
        }),
      }),
    ],
    [
      'Running',
      facts({
        vmi: live({
          phase: 'Running',
          migrationState: { startTimestamp: '2026-01-01T00:50:00Z', endTimestamp: '2026-01-01T00:51:00Z' },
        }),
      }),
    ],
    ['Running', facts({ vmi: live({ phase: 'Running', migrationState: { targetNode: 'n2' } }) })],
    ['Paused', facts({ vmi: live({ phase: 'Running', conditions: [condition('Paused')] }) })],
    ['ErrorPvcNotFound', facts({ vmi: synchronized('FailedPvcNotFound'), dataVolumes: [dv('Failed')] })],
    ['DataVolumeError', facts({ dataVolumes: [dv('Failed')] })],
    [
      'ErrorUnschedulable',
      facts({
        vmi: live({
          phase: 'Scheduling',
          conditions: [condition('PodScheduled', 'False', { reason: 'Unschedulable' })],
        }),
      }),
    ],
    ['Provisioning', facts({ dataVolumes: [dv('ImportInProgress')], claims: [pending] })],
    ['WaitingForVolumeBinding', facts({ dataVolumes: [dv('WaitForFirstConsumer')], claims: [pending] })],
    ['ErrImagePull', facts({ vmi: synchronized('ErrImagePull') })],
    ['Starting', facts({ vmi: live({ phase: 'Scheduling' }) })],
    ['CrashLoopBackOff', facts({ startFailures: 1 })],
    ['Stopped', facts({ vm: storedVm({ runStrategy: 'Halted' }), claims: [pending], startFailures: 1 })],
    ['Stopped', facts({ vm: storedVm({ runStrategy: 'WaitAsReceiver' }) })],
    [
      'WaitingForReceiver',
      facts({ vm: storedVm({ runStrategy: 'WaitAsReceiver' }), vmi: live({ phase: 'WaitingForSync' }) }),
    ],
  ])('%s', (wanted, seen) => expect(printableStatus(seen)).toBe(wanted));
});
