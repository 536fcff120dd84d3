import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { isReceiver, isUnderway } from '../virt/facts.ts';
import { nodeRuleFields, withNodeRulesOf } from './node-rules.ts';
import { startedFrom, startedFromAnnotation } from './restart-required.ts';
import type { SeenMachine } from './seen.ts';

/** What becomes of an edit of what a running VM's template says about nodes. */
export type PlacementEdit =
  | { readonly do: 'nothing' }
  | { readonly do: 'change'; readonly vmi: Stored<VirtualMachineInstance> }
  | { readonly do: 'wait'; readonly message: string };

/** The migration that was begun before the edit, in words, and whether it is one that can be cancelled to stay here. */
function begunMigration({ vmi, activeMigrations }: SeenMachine): { name: string; mayStay: boolean } | undefined {
  const begun = activeMigrations.find(({ status }) => !['', 'Pending'].includes(status?.phase ?? ''));
  const state = vmi?.status?.migrationState;
  if (begun) {
    const mayStay = begun.spec.sendTo === undefined && state?.mode !== 'PostCopy';
    return { name: `migration ${begun.metadata.name}`, mayStay };
  }
  return isUnderway(state) ? { name: 'a migration whose object is gone', mayStay: false } : undefined;
}

/**
 * The running VMI with what the template says about nodes from now on, and the record of what it was started from, in one
 * write. A migration under way was begun by other rules: nothing changes before it has ended. One that waits, for a node or
 * its turn, goes by the rules of the moment in which it begins.
 */
export function decidePlacement(seen: SeenMachine): PlacementEdit {
  const { vm, vmi } = seen;
  const before = vmi && startedFrom(vmi);
  const wanted = vm.spec.template.spec;
  const running = vmi?.status?.phase === 'Running' && !isReceiver(vmi) && !vmi.metadata.deletionTimestamp;
  if (!vmi || !before || !seen.liveUpdate || !running) return { do: 'nothing' };
  const edited = nodeRuleFields.filter((field) => !jsonEqual(before[field], wanted[field]));
  if (edited.length === 0) return { do: 'nothing' };
  const begun = begunMigration(seen);
  if (begun !== undefined) {
    const name = vm.metadata.name;
    const remedy = begun.mayStay
      ? `. To have it hold at once, cancel the migration (virtctl migrate-cancel ${name})`
      : '';
    const fields = edited.map((field) => `spec.template.spec.${field}`).join(', ');
    return {
      do: 'wait',
      message: `The change of ${fields} waits for the end of ${begun.name} of VMI ${name}, which was begun by the rules of before${remedy}`,
    };
  }
  const record = JSON.stringify(withNodeRulesOf(before, wanted));
  const annotations = { ...vmi.metadata.annotations, [startedFromAnnotation]: record };
  return {
    do: 'change',
    vmi: { ...vmi, metadata: { ...vmi.metadata, annotations }, spec: withNodeRulesOf(vmi.spec, wanted) },
  };
}
