import type { DataVolume, PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { findCondition, isTrue } from '@godwit/api';
import { isFinalVmi, runStrategyOf } from '../virt/facts.ts';

export interface StatusFacts {
  readonly vm: VirtualMachine;
  readonly vmi: VirtualMachineInstance | undefined;
  readonly dataVolumes: readonly DataVolume[];
  /** The claims of the VM's volumes; undefined where one does not exist. */
  readonly claims: readonly (PersistentVolumeClaim | undefined)[];
  readonly startFailures: number;
  readonly nowMs: number;
}

const PROVISIONING: readonly string[] = [
  '',
  'Pending',
  'PVCBound',
  'ImportScheduled',
  'ImportInProgress',
  'UploadScheduled',
  'UploadReady',
];

function isMigrating({ vmi, nowMs }: StatusFacts): boolean {
  const { startTimestamp, endTimestamp } = vmi?.status?.migrationState ?? {};
  if (startTimestamp === undefined || Date.parse(startTimestamp) > nowMs) return false;
  return endTimestamp === undefined || Date.parse(endTimestamp) > nowMs;
}

function synchronizedReason({ vmi }: StatusFacts): string | undefined {
  const condition = findCondition(vmi?.status?.conditions, 'Synchronized');
  return condition?.status === 'False' ? condition.reason : undefined;
}

function isLive(vmi: VirtualMachineInstance | undefined): vmi is VirtualMachineInstance {
  return vmi !== undefined && !isFinalVmi(vmi);
}

function wantsToRun(facts: StatusFacts): boolean {
  return isLive(facts.vmi) || !['Halted', 'Manual', 'WaitAsReceiver'].includes(runStrategyOf(facts.vm));
}

const RULES: readonly (readonly [string, (facts: StatusFacts) => boolean])[] = [
  ['Terminating', ({ vm }) => vm.metadata.deletionTimestamp !== undefined],
  ['Stopping', ({ vmi }) => isLive(vmi) && vmi.metadata.deletionTimestamp !== undefined],
  ['Migrating', (facts) => isLive(facts.vmi) && isMigrating(facts)],
  ['Paused', ({ vmi }) => isLive(vmi) && isTrue(vmi.status?.conditions, 'Paused')],
  ['Running', ({ vmi }) => vmi?.status?.phase === 'Running'],
  ['ErrorPvcNotFound', (facts) => synchronizedReason(facts) === 'FailedPvcNotFound'],
  ['DataVolumeError', ({ dataVolumes }) => dataVolumes.some((dv) => dv.status?.phase === 'Failed')],
  [
    'ErrorUnschedulable',
    ({ vmi }) => findCondition(vmi?.status?.conditions, 'PodScheduled')?.reason === 'Unschedulable',
  ],
  ['Provisioning', ({ dataVolumes }) => dataVolumes.some((dv) => PROVISIONING.includes(dv.status?.phase ?? ''))],
  [
    'WaitingForVolumeBinding',
    (facts) => wantsToRun(facts) && facts.claims.some((claim) => claim && claim.status?.phase !== 'Bound'),
  ],
  ['ErrImagePull', (facts) => synchronizedReason(facts) === 'ErrImagePull'],
  ['ImagePullBackOff', (facts) => synchronizedReason(facts) === 'ImagePullBackOff'],
  ['Starting', ({ vmi }) => isLive(vmi) && vmi.status?.phase !== 'WaitingForSync'],
  [
    'CrashLoopBackOff',
    ({ vm, vmi, startFailures }) => !isLive(vmi) && startFailures > 0 && runStrategyOf(vm) !== 'Halted',
  ],
  ['Stopped', ({ vmi }) => !isLive(vmi)],
  [
    'WaitingForReceiver',
    ({ vm, vmi }) => runStrategyOf(vm) === 'WaitAsReceiver' || vmi?.status?.phase === 'WaitingForSync',
  ],
];

/** `status.printableStatus`: the first rule that holds, in KubeVirt's order. */
export function printableStatus(facts: StatusFacts): string {
  return RULES.find(([, holds]) => holds(facts))?.[0] ?? 'Unknown';
}
