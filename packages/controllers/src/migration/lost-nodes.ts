import { findCondition } from '@godwit/api';
import type { VmiMigrationState } from '@godwit/api';
import { kindOf } from '../virt/facts.ts';
import type { SeenMigration } from './seen.ts';

/** Source agents report several times a second. */
const QUIET_MS = 10_000;

export interface Trouble {
  readonly reason: 'SourceNodeLost' | 'TargetNodeLost' | 'AgentSilent';
  readonly message: string;
}

/** How a node that no longer reports is told; undefined while it does. */
export function lostNode(seen: SeenMigration, name: string | undefined): string | undefined {
  if (name === undefined || name === '') return undefined;
  const ready = findCondition(seen.node(name)?.status?.conditions, 'Ready');
  if (!ready || ready.status === 'True') return undefined;
  const since = ready.lastTransitionTime === undefined ? '' : ` since ${ready.lastTransitionTime}`;
  return `Node ${name} is silent${since}`;
}

/** The node of this cluster that has gone silent, of the two that take part. */
export function lostPartner(seen: SeenMigration, state: VmiMigrationState): Trouble | undefined {
  const kind = kindOf(seen.migration);
  const source = kind === 'target' ? undefined : lostNode(seen, state.sourceNode);
  if (source !== undefined) return { reason: 'SourceNodeLost', message: source };
  const target = kind === 'source' ? undefined : lostNode(seen, state.targetNode);
  return target === undefined ? undefined : { reason: 'TargetNodeLost', message: target };
}

/** Why nothing is heard of a copy that has begun. Who runs the guest is for the node agents to say, never for us. */
export function silence(seen: SeenMigration, state: VmiMigrationState, nowMs: number): Trouble | undefined {
  const lost = lostPartner(seen, state);
  if (lost) {
    const message =
      lost.reason === 'SourceNodeLost'
        ? `${lost.message}; its QEMU may run on, so the guest is left alone until the node agent is back`
        : `${lost.message}; the source decides by itself whether it goes on without it`;
    return { reason: lost.reason, message };
  }
  const { progress } = seen.migration.status ?? {};
  if (kindOf(seen.migration) === 'target' || progress?.stage === 'Done' || progress?.stage === 'Failed')
    return undefined;
  const heard = progress?.updatedAt ?? state.startTimestamp;
  const heardMs = Date.parse(heard ?? '');
  if (!(nowMs - heardMs > QUIET_MS)) return undefined;
  return {
    reason: 'AgentSilent',
    message: `No news of the copy from node ${state.sourceNode ?? ''} since ${heard ?? ''}; it may still go on`,
  };
}
