import { findCondition, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Pod, VirtualMachineInstance } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';
import type { PhaseVerdict } from './phase.ts';
import { dataVolumesReady } from './volumes-ready.ts';
import type { SeenVolume, VolumesVerdict } from './volumes-ready.ts';

export interface ConditionFacts {
  readonly vmi: VirtualMachineInstance;
  readonly verdict: PhaseVerdict;
  /** Pod of a guest that is still to start. */
  readonly pod: Pod | undefined;
  readonly volumes: readonly SeenVolume[];
  readonly start: VolumesVerdict;
}

/**
 * Whether the VMI asks to be migrated because of its volumes: everything to be copied is announced and the spec names
 * the targets already. (Upstream raises this too early when another claim is not part of the change.)
 */
export function wantsVolumeMigration(vmi: VirtualMachineInstance): boolean {
  const announced = vmi.status?.migratedVolumes ?? [];
  if (announced.length === 0) return false;
  const claims = claimsOf(vmi.spec.volumes);
  return announced.every(({ volumeName, sourcePVCInfo, destinationPVCInfo }) => {
    const claim = claims.get(volumeName);
    const target = destinationPVCInfo?.claimName;
    return target !== undefined && claim === target && target !== sourcePVCInfo?.claimName;
  });
}

function ready({ vmi, verdict }: ConditionFacts): Condition | undefined {
  // A running guest's readiness is the node agent's to tell, unless its pod is in doubt.
  if (verdict.phase === 'Running' && verdict.reason === undefined) return undefined;
  const known = findCondition(vmi.status?.conditions, 'Ready');
  if (verdict.reason === undefined && known?.status === 'False') return known;
  return {
    type: 'Ready',
    status: 'False',
    reason: verdict.reason ?? 'GuestNotRunning',
    message: verdict.message ?? 'Guest VM is not reported as running',
  };
}

function podScheduled({ pod }: ConditionFacts): Condition | undefined {
  const condition = findCondition(pod?.status?.conditions, 'PodScheduled');
  return condition?.status === 'False' ? condition : undefined;
}

/** What the node says about a guest that it cannot start yet, an image that cannot be had for example. */
function heldByNode({ pod, verdict }: ConditionFacts): Condition | undefined {
  const { phase, reason, message } = pod?.status ?? {};
  if (verdict.phase !== 'Scheduled' || phase !== 'Pending' || !reason || !message) return undefined;
  return { type: 'Synchronized', status: 'False', reason, message };
}

function synchronized(facts: ConditionFacts): Condition | undefined {
  const { start, verdict } = facts;
  if (verdict.phase !== 'Pending' || start.start) return heldByNode(facts);
  return { type: 'Synchronized', status: 'False', reason: start.reason, message: start.message };
}

function provisioning({ start, verdict }: ConditionFacts): Condition | undefined {
  if (verdict.phase !== 'Pending' || start.start || !start.provisioning) return undefined;
  return { type: 'Provisioning', status: 'True', reason: start.reason, message: start.message };
}

/** The VMI's conditions that this controller owns, set or taken away; all others stay as they are. */
export function decideConditions(facts: ConditionFacts, nowMs: number): readonly Condition[] {
  let conditions: readonly Condition[] = facts.vmi.status?.conditions ?? [];
  const set = (type: string, condition: Condition | undefined): void => {
    conditions = condition ? withCondition(conditions, condition, nowMs) : withoutCondition(conditions, type);
  };
  const notReady = ready(facts);
  if (notReady) set('Ready', notReady);
  set('PodScheduled', podScheduled(facts));
  set('Provisioning', provisioning(facts));
  set('DataVolumesReady', dataVolumesReady(facts.volumes));
  const held = synchronized(facts);
  if (held) set('Synchronized', held);
  else if (facts.verdict.phase !== 'Pending' && findCondition(conditions, 'Synchronized')?.status === 'False') {
    set('Synchronized', { type: 'Synchronized', status: 'True' });
  }
  if (
    facts.verdict.phase === 'Running' &&
    wantsVolumeMigration(facts.vmi) &&
    !findCondition(conditions, 'VolumesChange')
  ) {
    set('VolumesChange', {
      type: 'VolumesChange',
      status: 'True',
      reason: 'VolumesChanged',
      message: 'Volumes are to be moved to other claims',
    });
  }
  return conditions;
}
