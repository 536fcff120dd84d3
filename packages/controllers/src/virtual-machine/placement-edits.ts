import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { isUnderway } from '../virt/facts.ts';
import { nodeRulesOf, withNodeRulesOf } from './node-rules.ts';
import { startedFrom, startedFromAnnotation } from './restart-required.ts';
import type { SeenMachine } from './seen.ts';

/**
 * The running VMI with what the template says about nodes from now on, and the record of what it was started from, in one
 * write. A migration under way was begun by other rules: nothing changes before it has ended. One that waits, for a node or
 * its turn, goes by the rules of the moment in which it begins.
 */
export function placementStep({
  vm,
  vmi,
  liveUpdate,
  activeMigrations,
}: SeenMachine): Stored<VirtualMachineInstance> | undefined {
  const before = vmi && startedFrom(vmi);
  const wanted = vm.spec.template.spec;
  if (!vmi || !before || !liveUpdate || vmi.status?.phase !== 'Running') return undefined;
  const begun = activeMigrations.some(({ status }) => !['', 'Pending'].includes(status?.phase ?? ''));
  if (begun || isUnderway(vmi.status.migrationState)) return undefined;
  if (jsonEqual(nodeRulesOf(before), nodeRulesOf(wanted))) return undefined;
  const record = JSON.stringify(withNodeRulesOf(before, wanted));
  const annotations = { ...vmi.metadata.annotations, [startedFromAnnotation]: record };
  return { ...vmi, metadata: { ...vmi.metadata, annotations }, spec: withNodeRulesOf(vmi.spec, wanted) };
}
