import type { EvictionStrategy, Pod, VirtualMachineInstance } from '@godwit/api';
import { evacuationFailed, evictionRequested, findCondition, isTrue, names } from '@godwit/api';

/** For what passes by itself. */
const RETRY_SECONDS = 2;

export interface EvictionSeen {
  readonly pod: Pod;
  /** The VMI that the pod names as its guest. */
  readonly vmi: VirtualMachineInstance | undefined;
  /** Of the VMI, else of the cluster. */
  readonly strategy: EvictionStrategy | undefined;
  /** What the migration of the guest says that it waits for, if there is one. */
  readonly waitsFor?: string | undefined;
}

export type EvictionVerdict =
  /** The pod goes, and the guest with it if it has one. */
  | { readonly do: 'allow'; readonly warning?: string }
  /** The guest is marked to leave its node, and the pod stays until it has. */
  | { readonly do: 'mark'; readonly message: string; readonly retryAfterSeconds: number }
  /** Without `retryAfterSeconds`: somebody has to do something about it. */
  | { readonly do: 'deny'; readonly message: string; readonly retryAfterSeconds?: number };

const allow: EvictionVerdict = { do: 'allow' };
const later = (message: string): EvictionVerdict => ({ do: 'deny', message, retryAfterSeconds: RETRY_SECONDS });

function holdsGuest(pod: Pod): boolean {
  const final = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  return (
    pod.metadata.labels?.[names.appLabel] === 'virt-launcher' && !final && pod.metadata.deletionTimestamp === undefined
  );
}

function isLeaving(vmi: VirtualMachineInstance): boolean {
  const { phase } = vmi.status ?? {};
  return phase === 'Succeeded' || phase === 'Failed' || vmi.metadata.deletionTimestamp !== undefined;
}

/** What has to be settled before the pod may be touched, whatever the strategy says. */
function unsettled(pod: Pod, vmi: VirtualMachineInstance, title: string): EvictionVerdict | undefined {
  const { nodeName, migrationState: state, conditions } = vmi.status ?? {};
  const undecided = findCondition(conditions, 'HandoverUndecided');
  if (undecided?.status === 'True') {
    return {
      do: 'deny',
      message: `It is not known which of two nodes has the guest of VMI ${title}: ${undecided.message ?? ''}; godwit resolve decides`,
    };
  }
  const underway = state?.migrationUid !== undefined && state.completed !== true && state.failed !== true;
  const elsewhere = nodeName === undefined ? underway : nodeName !== pod.spec.nodeName;
  return elsewhere ? later(`Eviction request for target Pod: VMI ${title} is being migrated`) : undefined;
}

/** An evacuation that is wanted already, or now is. */
function evacuate({ pod, waitsFor }: EvictionSeen, vmi: VirtualMachineInstance, title: string): EvictionVerdict {
  const { conditions, evacuationNodeName } = vmi.status ?? {};
  // Deschedulers look for these words.
  const triggered = `Eviction triggered evacuation of VMI ${title}`;
  if (evacuationNodeName === undefined || evacuationNodeName !== pod.spec.nodeName)
    return { do: 'mark', message: triggered, retryAfterSeconds: RETRY_SECONDS };
  const failed = findCondition(conditions, evacuationFailed);
  if (failed?.status === 'True')
    return { do: 'deny', message: `Evacuation failed: ${triggered}: ${failed.message ?? ''}` };
  const state = [findCondition(conditions, evictionRequested)?.message, waitsFor].filter((text) => text !== undefined);
  return later(['Evacuation in progress', triggered, ...state].join(': '));
}

/** What an eviction of that pod leads to, by the eviction strategy of its guest. */
export function decideEviction(seen: EvictionSeen): EvictionVerdict {
  const { pod, vmi, strategy } = seen;
  if (!holdsGuest(pod) || vmi === undefined || isLeaving(vmi)) return allow;
  const title = `"${vmi.metadata.namespace ?? ''}/${vmi.metadata.name ?? ''}"`;
  const open = unsettled(pod, vmi, title);
  if (open) return open;
  if (strategy === undefined) {
    return {
      do: 'allow',
      warning: `VMI ${title} is shut down: neither its spec.evictionStrategy nor spec.configuration.evictionStrategy of the KubeVirt object asks for anything else`,
    };
  }
  if (strategy === 'None') return allow;
  if (strategy === 'External') return evacuate(seen, vmi, title);
  const migratable = findCondition(vmi.status?.conditions, 'LiveMigratable');
  if (vmi.status?.phase !== 'Running') {
    return strategy === 'LiveMigrate' ? later(`VMI ${title} does not run yet, so it cannot be live-migrated`) : allow;
  }
  if (isTrue(vmi.status.conditions, 'LiveMigratable')) return evacuate(seen, vmi, title);
  if (migratable?.status !== 'False') return later(`It is not known yet whether VMI ${title} is live-migratable`);
  const blocker = `${migratable.reason ?? ''}: ${migratable.message ?? ''}`;
  if (strategy === 'LiveMigrate') {
    return {
      do: 'deny',
      message: `VMI ${title} is configured with an eviction strategy but is not live-migratable: ${blocker}`,
    };
  }
  const { migrationState: state } = vmi.status;
  if (state?.migrationUid !== undefined && state.completed !== true && state.failed !== true)
    return later(`VMI ${title} is being migrated`);
  return { do: 'allow', warning: `VMI ${title} is shut down, because it is not live-migratable: ${blocker}` };
}
