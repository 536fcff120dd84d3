import type { PersistentVolume } from '@godwit/api';
import { responsibleNode } from '@godwit/api';
import { volumeMarks } from './names.ts';

export type VolumePlan =
  | { readonly do: 'nothing'; readonly because: string }
  | { readonly do: 'provision' }
  | { readonly do: 'expand'; readonly to: string }
  /** Ask for deletion, so that the finalizer handshake starts. */
  | { readonly do: 'request-deletion' }
  /** Delete the bytes, then let the object go. */
  | { readonly do: 'reclaim' }
  /** Let the object go and keep the bytes. */
  | { readonly do: 'release' };

/** What this node's agent owes a PV. Bytes are deleted only for a PV that is being deleted with reclaim policy Delete. */
export function decideVolume(pv: PersistentVolume, nodeName: string): VolumePlan {
  const marks = pv.metadata.annotations ?? {};
  if (marks[volumeMarks.provisioned] === undefined)
    return { do: 'nothing', because: 'not a volume of the local pools' };
  if (responsibleNode(pv) !== nodeName) return { do: 'nothing', because: 'another node is responsible' };
  const reclaims = pv.spec.persistentVolumeReclaimPolicy !== 'Retain';
  if (pv.metadata.deletionTimestamp !== undefined) {
    if (!pv.metadata.finalizers?.includes(volumeMarks.finalizer))
      return { do: 'nothing', because: 'already dealt with' };
    return { do: reclaims ? 'reclaim' : 'release' };
  }
  if (pv.status?.phase === 'Released') {
    return reclaims ? { do: 'request-deletion' } : { do: 'nothing', because: 'released and retained' };
  }
  if (marks[volumeMarks.provisioned] !== 'true') return { do: 'provision' };
  const expandTo = marks[volumeMarks.expandTo];
  if (expandTo !== undefined && expandTo !== marks[volumeMarks.expandedTo]) return { do: 'expand', to: expandTo };
  return { do: 'nothing', because: 'provisioned' };
}
