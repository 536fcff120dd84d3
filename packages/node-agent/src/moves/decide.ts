import { names } from '@godwit/api';
import { isCrossCluster } from './identity.ts';
import type { SettledOn } from './outcome.ts';
import type {
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
  VmimPhase,
} from '@godwit/api';

/** An executor of this agent and how far it is. */
export interface SeenExecutor {
  readonly migrationUid: string;
  readonly role: 'source' | 'target' | 'in-place';
  readonly state: 'running' | 'ended';
  /** This agent, not one before it, has told it to end; absent: nobody knows. */
  readonly aborting?: boolean;
}

export interface SeenMove {
  readonly nodeName: string;
  readonly vmi: Stored<VirtualMachineInstance>;
  /** The migration the record names, when it is in this cluster. */
  readonly migration: Stored<VirtualMachineInstanceMigration> | undefined;
  /** This node holds the QEMU of the record's source pod. */
  readonly holdsSource: boolean;
  /** The record's target pod is on this node, with its volumes ready. */
  readonly holdsTarget: boolean;
  readonly executors: readonly SeenExecutor[];
}

export type MovePlan =
  | { readonly do: 'nothing'; readonly because: string }
  | { readonly do: 'start-target' }
  /** The target makes ready; what the source can do meanwhile. */
  | { readonly do: 'prepare-source' }
  | { readonly do: 'start-source' }
  | { readonly do: 'start-in-place' }
  /** The user wants it ended. */
  | { readonly do: 'abort'; readonly role: SeenExecutor['role'] }
  /** The record was closed by somebody else: this side's executor must not linger. */
  | { readonly do: 'stop'; readonly role: SeenExecutor['role']; readonly targetGaveUp: boolean }
  /** The record says that the target has the guest, which a source that cannot reach it would never hear. */
  | { readonly do: 'let-go'; readonly role: 'source' }
  /** Nobody can carry this migration on. */
  | {
      readonly do: 'close-failed';
      readonly role: 'source' | 'target';
      readonly reason: string;
      readonly aborted: boolean;
      readonly settledOn?: SettledOn;
    }
  /** The outcome is in the API objects; what this node kept about it can go. */
  | { readonly do: 'forget'; readonly role: SeenExecutor['role'] }
  /** An executor has ended; tell the API. */
  | { readonly do: 'report'; readonly role: SeenExecutor['role'] };

function nothing(because: string): MovePlan {
  return { do: 'nothing', because };
}

function targetAddress(state: VmiMigrationState): string | undefined {
  return state.targetNodeAddress ?? state.targetState?.nodeAddress;
}

export function targetPorts(state: VmiMigrationState): Record<string, number> | undefined {
  return state.targetDirectMigrationNodePorts ?? state.targetState?.directMigrationNodePorts;
}

export function isOver(state: VmiMigrationState): boolean {
  return state.completed === true || state.failed === true;
}

/**
 * Once a record is over its target keeps nothing of the migration, so that nobody may be there to be asked. `completed` without
 * `failed` is written by the target only, after its commit; the side that has the data is told by agents only, so that a
 * source that does not know yet has it from a target that will never run.
 */
function decideExecutor(state: VmiMigrationState, executor: SeenExecutor): MovePlan {
  const { role } = executor;
  if (executor.state === 'ended') return isOver(state) ? { do: 'forget', role } : { do: 'report', role };
  // Whoever closed it knew nothing of the guest; its target has said so afterwards.
  if (state.failed && role === 'source' && state.settledOn === 'target') return { do: 'let-go', role };
  if (state.failed) return { do: 'stop', role, targetGaveUp: role === 'source' && state.settledOn === 'source' };
  if (state.completed && role === 'source') return { do: 'let-go', role };
  const passedOn = state.abortStatus !== undefined && executor.aborting !== false;
  if (state.abortRequested && role !== 'target' && !passedOn) return { do: 'abort', role };
  return nothing('under way');
}

/** Its own restart may be the cause, or that of the API server, whose answer to the beginning never came. */
const BEGINNING_LOST = 'the source node agent lost the beginning of the copy: it, or the API server, was restarted';

function decideSource(state: VmiMigrationState, seen: SeenMove): MovePlan {
  const inPlace = state.method === 'InPlace';
  const close = (reason: string, aborted = false): MovePlan => ({
    do: 'close-failed',
    role: 'source',
    reason,
    aborted,
  });
  if (state.abortRequested) return close('the migration was aborted before it began', true);
  if (state.startTimestamp !== undefined) return close(BEGINNING_LOST);
  if (!seen.migration) return nothing('the migration object is not known yet');
  if (inPlace) return { do: 'start-in-place' };
  if (targetAddress(state) === undefined || targetPorts(state) === undefined) return { do: 'prepare-source' };
  return { do: 'start-source' };
}

function decideTarget(state: VmiMigrationState, seen: SeenMove): MovePlan {
  if (targetAddress(state) !== undefined)
    return {
      do: 'close-failed',
      role: 'target',
      reason: 'the target node agent was restarted before the copy began',
      aborted: false,
      // That a target has kept nothing of it does not prove that nothing has run there; that no source has begun does.
      settledOn: seen.migration && !isCrossCluster(seen.migration) ? 'source-unless-begun' : 'nobody',
    };
  if (!seen.migration) return nothing('the migration object is not known yet');
  return { do: 'start-target' };
}

/** What becomes of an executor whose migration the VMI's record does not describe any more; `last`: what is known of it. */
export function decideLeftover(executor: SeenExecutor, last: VmiMigrationState | undefined): MovePlan {
  const { role } = executor;
  if (executor.state === 'ended') return { do: 'forget', role };
  return last !== undefined && isOver(last)
    ? decideExecutor(last, executor)
    : { do: 'stop', role, targetGaveUp: false };
}

const SOON: readonly VmimPhase[] = ['Scheduling', 'Scheduled', 'PreparingTarget', 'TargetReady'];

/** Memory or disks will soon travel from or to this node; moves in place need nothing of what that takes. */
export function isExpected(
  migrations: readonly Pick<VirtualMachineInstanceMigration, 'status'>[],
  isHere: boolean,
): boolean {
  return (
    isHere &&
    migrations.some(({ status }) => SOON.includes(status?.phase ?? '') && status?.migrationState?.method !== 'InPlace')
  );
}

/** What this node has to do for the migration that a VMI's record describes. One migration runs at most once. */
export function decideMove(seen: SeenMove): MovePlan {
  const state = seen.vmi.status?.migrationState;
  if (state?.migrationUid === undefined) return nothing('no migration');
  const mine = seen.executors.filter((executor) => executor.migrationUid === state.migrationUid);
  for (const executor of mine) {
    const plan = decideExecutor(state, executor);
    if (plan.do !== 'nothing') return plan;
  }
  if (mine.length > 0) return nothing('under way');
  if (isOver(state)) return nothing('over');
  // It is being told to end; two at once would copy from, or into, the same disks.
  if (seen.executors.some((executor) => executor.state === 'running'))
    return nothing('an earlier migration of this guest has not ended yet');
  if (seen.holdsSource && state.sourceNode === seen.nodeName) return decideSource(state, seen);
  const named = seen.vmi.metadata.labels?.[names.migrationTargetNodeLabel] === seen.nodeName;
  if (named && seen.holdsTarget && state.method !== 'InPlace') return decideTarget(state, seen);
  return nothing('other nodes move this guest');
}
