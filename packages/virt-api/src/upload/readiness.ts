import { names, populationKind, responsibleNode } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import type { UploadGrant } from './token.ts';

export type Readiness =
  /** The agent of this node takes the image. */
  | { readonly is: 'ready'; readonly node: string }
  /** May become ready by itself. */
  | { readonly is: 'awaited'; readonly because: string }
  | { readonly is: 'refused'; readonly code: number; readonly because: string };

function refused(code: number, because: string): Readiness {
  return { is: 'refused', code, because };
}

function awaited(because: string): Readiness {
  return { is: 'awaited', because };
}

/** Whether a claim takes an upload now, and where. */
export function readinessOf(
  grant: UploadGrant,
  claim: PersistentVolumeClaim | undefined,
  volume: PersistentVolume | undefined,
): Readiness {
  const text = `claim ${grant.namespace}/${grant.name}`;
  if (!claim) return refused(404, `${text} does not exist`);
  const { uid, annotations: marks = {}, deletionTimestamp } = claim.metadata;
  if (uid !== grant.uid) return refused(401, `the token is for another ${text}, which is gone; ask for a new token`);
  if (deletionTimestamp !== undefined) return refused(409, `${text} is being deleted`);
  const kind = populationKind(claim);
  if (kind !== 'upload')
    return refused(409, `${text} does not ask for an upload; make it with a DataVolume that has source: upload`);
  if (marks[names.contentTypeAnnotation] === 'archive') return refused(415, archivesRefused);
  const phase = marks[names.populationPhaseAnnotation];
  if (phase === 'Succeeded') return refused(409, `${text} has been filled already; upload into a new one`);
  if (phase === 'Failed') return refused(409, `${text} failed: ${marks[names.populationMessageAnnotation] ?? ''}`);
  if (claim.status?.phase !== 'Bound') return awaited(whyUnbound(marks));
  if (!volume || marks[names.populationReadyAnnotation] !== 'true') return awaited('its node is not prepared yet');
  const node = responsibleNode(volume);
  return node === undefined ? refused(409, `${text} is in a volume that no node fills`) : { is: 'ready', node };
}

export const archivesRefused =
  'archives cannot be uploaded here; upload a disk image (raw, qcow2, or packed with gzip)';

function whyUnbound(marks: Readonly<Record<string, string>>): string {
  const settled = [names.selectedNodeAnnotation, names.bindImmediatelyAnnotation].some((mark) => mark in marks);
  return settled
    ? 'it is not bound to a volume yet'
    : `it is not bound to a volume; when its class waits for the first consumer, start the VM, or set annotation ${names.bindImmediatelyAnnotation} (virtctl: --force-bind)`;
}
