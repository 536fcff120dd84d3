import type { VirtualMachine } from '@godwit/api';
import { isTrue } from '@godwit/api';
import { claimsOf, runStrategyOf } from '../virt/facts.ts';
import { newestClaims } from '../volume-migration/newest.ts';
import type { OfflinePlan } from '../volume-migration/offline-copy.ts';
import { firstVolumes } from '../volume-migration/offline.ts';
import { startsOnLastVolumes } from '../volume-migration/recover.ts';
import type { RecordVerdict } from '../volume-migration/record.ts';
import { decideVmConditions } from './conditions.ts';
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

function lastVolumes({ seen, offline }: StatusInput): Status['lastVolumes'] {
  const { vm, vmi } = seen;
  const newest = newestClaims(vm, vmi);
  const last = { ...(vmi ? {} : firstVolumes(vm, seen.pvc)), ...newest, ...offline.copied };
  return newest === undefined && Object.keys(last).length === 0 ? undefined : last;
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
  optional(status, 'lastVolumes', lastVolumes(input));
  optional(status, 'restartsOnLastVolumes', startsOnLastVolumes(vm, vmi) || undefined);
  optional(status, 'offlineCopy', input.offline.status);
  const requests = requestsAfter(input);
  optional(status, 'stateChangeRequests', requests && requests.length > 0 ? requests : undefined);
  optional(
    status,
    'volumeUpdateState',
    record.migratedVolumes && { volumeMigrationState: { migratedVolumes: [...record.migratedVolumes] } },
  );
  const { failure, restartRequired, offline, run } = input;
  const stopping = run.do === 'stop' || vmi?.metadata.deletionTimestamp !== undefined;
  const facts = { vm, vmi, stopping, record, failure, restartRequired, copy: offline.obstacle };
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
