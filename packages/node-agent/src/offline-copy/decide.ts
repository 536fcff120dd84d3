import { copyMarks, copyOrderOf, copyReportOf, hasCopyMarks } from '@godwit/api';
import type { CopyOrder, PersistentVolumeClaim } from '@godwit/api';

export type CopyPlan =
  | { readonly do: 'nothing'; readonly because: string }
  /** Say that the copy begins; only then begin it. */
  | { readonly do: 'claim'; readonly order: CopyOrder }
  /** It was begun, by this agent or an earlier one: go on, from the start when nobody works on it. */
  | { readonly do: 'work'; readonly order: CopyOrder }
  /** Not wanted any more: stop, and take the marks away when nothing writes or reads. A deleted claim waits for that. */
  | { readonly do: 'clear' };

/** What this node has to do for the copy into one claim. */
export function decideCopy(pvc: PersistentVolumeClaim, nodeName: string): CopyPlan {
  if (pvc.metadata.annotations?.[copyMarks.node] !== nodeName) return { do: 'nothing', because: 'not for this node' };
  const order = copyOrderOf(pvc);
  const report = copyReportOf(pvc);
  if (!order) return hasCopyMarks(pvc) ? { do: 'clear' } : { do: 'nothing', because: 'no copy is wanted' };
  if (pvc.metadata.deletionTimestamp !== undefined) return { do: 'nothing', because: 'the claim is being deleted' };
  if (report?.id !== order.id) return { do: 'claim', order };
  return report.phase === 'Running' ? { do: 'work', order } : { do: 'nothing', because: `already ${report.phase}` };
}
