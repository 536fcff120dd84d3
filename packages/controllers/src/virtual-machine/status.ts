import type { VirtualMachine } from '@godwit/api';
import { isTrue } from '@godwit/api';
import { claimsOf, runStrategyOf } from '../virt/facts.ts';
import { decideLastVolumes } from '../volume-migration/last-volumes.ts';
import type { OfflinePlan } from '../volume-migration/offline-copy.ts';
import { startsOnLastVolumes } from '../volume-migration/recover.ts';
import type { RecordVerdict } from '../volume-migration/record.ts';
import { decideVmConditions } from './conditions.ts';
import type { PlacementEdit } from './placement-edits.ts';
import { printableStatus } from './printable-status.ts';
import { pendingRequests } from './run-strategy.ts';
import type { RunDecision } from './run-strategy.ts';
import type { SeenMachine } from './seen.ts';

type Status = NonNullable<VirtualMachine['status']>;

export interface StatusInput {
  readonly seen: SeenMachine;
  readonly run: RunDecision;
  readonly record: RecordVerdict;
  readonly startFailure: Status['startFailure'] | undefined;
  readonly restartRequired: string | undefined;
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  readonly offline: OfflinePlan;
  readonly placement: PlacementEdit;
  readonly nowMs: number;
}

function requestsAfter(input: StatusInput): Status['stateChangeRequests'] {
  const { vm, vmi } = input.seen;
  const requests = pendingRequests(vm, vmi);
  const queued = requests.some((request) => request.action === 'Start');
  return input.run.do === 'stop' && input.run.again && !queued ? [...requests, { action: 'Start' }] : requests;
}

function optional<K extends keyof Status>(status: Status, key: K, value: Status[K] | undefined): void {
  if (value === undefined) delete status[key];
  else status[key] = value;
}

/** The VM's whole status. */
export function decideStatus(input: StatusInput): Status {
  const { seen, record, startFailure, nowMs } = input;
  const { vm, vmi } = seen;
  const status: Status = structuredClone(vm.status ?? {});
  const claims = [...claimsOf(vm.spec.template.spec.volumes).values()];
  status.created = vmi !== undefined;
  status.runStrategy = runStrategyOf(vm);
  optional(status, 'observedGeneration', vm.metadata.generation);
  optional(status, 'desiredGeneration', vm.metadata.generation);
  optional(status, 'startFailure', startFailure);
  const { lastVolumes, lastDiskBytes, unfinishedCopies } = decideLastVolumes(vm, vmi, seen.pvc, input.offline.copied);
  optional(status, 'lastVolumes', lastVolumes);
  optional(status, 'lastDiskBytes', lastDiskBytes);
  optional(status, 'unfinishedCopies', unfinishedCopies);
  optional(status, 'restartsOnLastVolumes', startsOnLastVolumes(vm, vmi) || undefined);
  optional(status, 'offlineCopy', input.offline.status);
  const requests = requestsAfter(input);
  optional(status, 'stateChangeRequests', requests && requests.length > 0 ? requests : undefined);
  optional(
    status,
    'volumeUpdateState',
    record.migratedVolumes && { volumeMigrationState: { migratedVolumes: [...record.migratedVolumes] } },
  );
  const { failure, restartRequired, offline, placement, run } = input;
  const placementWaits = placement.do === 'wait' ? placement.message : undefined;
  const stopping = run.do === 'stop' || vmi?.metadata.deletionTimestamp !== undefined;
  const facts = { vm, vmi, stopping, record, failure, restartRequired, placementWaits, copy: offline.obstacle };
  status.conditions = [...decideVmConditions(facts, nowMs)];
  status.ready = isTrue(status.conditions, 'Ready');
  status.printableStatus = printableStatus({
    vm,
    vmi,
    dataVolumes: claims.flatMap((claim) => seen.dataVolume(claim) ?? []),
    claims: claims.map((claim) => seen.pvc(claim)),
    startFailures: startFailure?.consecutiveFailCount ?? 0,
    nowMs,
  });
  return status;
}
