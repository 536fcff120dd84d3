import { names } from '@godwit/api';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass, Stored } from '@godwit/api';
import { usableOn } from '../storage/claims/matching.ts';
import { isOurs, poolOf, waitsForConsumer } from '../storage/storage-class.ts';

/** A claim of the pod with what it leads to. */
export interface PodClaim {
  readonly name: string;
  readonly claim: Stored<PersistentVolumeClaim> | undefined;
  readonly volume: PersistentVolume | undefined;
  readonly storageClass: StorageClass | undefined;
}

export function isBound(claim: PersistentVolumeClaim): boolean {
  return (claim.spec.volumeName ?? '') !== '';
}

/** What stands in the way on every node, in kube-scheduler's words. */
export function claimObstacle(claims: readonly PodClaim[]): string | undefined {
  for (const { name, claim } of claims) {
    if (!claim) return `persistentvolumeclaim "${name}" not found`;
    if (claim.metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`;
    if (claim.status?.phase === 'Lost') return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume`;
  }
  const immediate = claims.some(
    ({ claim, storageClass }) => claim && !isBound(claim) && !waitsForConsumer(storageClass),
  );
  return immediate ? 'pod has unbound immediate PersistentVolumeClaims' : undefined;
}

function chosenNode(claim: PersistentVolumeClaim): string | undefined {
  return claim.metadata.annotations?.[names.selectedNodeAnnotation];
}

/** Why the node cannot have the pod's volumes, in kube-scheduler's words. */
export function volumeConflict(claims: readonly PodClaim[], node: Node, nodes: readonly Node[]): string | undefined {
  const hostname = node.metadata.labels?.[names.hostnameLabel] ?? node.metadata.name ?? '';
  for (const { claim, volume, storageClass } of claims) {
    if (!claim) continue;
    if (isBound(claim)) {
      if (volume && !usableOn(volume, hostname)) return "node(s) didn't match PersistentVolume's node affinity";
      continue;
    }
    // A volume that another consumer had placed is being made there already; in the shared pool the place is nothing.
    const chosen = chosenNode(claim);
    const exists = chosen !== undefined && nodes.some((one) => one.metadata.name === chosen);
    const anywhere = storageClass !== undefined && isOurs(storageClass) && poolOf(storageClass) === 'shared';
    if (exists && chosen !== node.metadata.name && !anywhere) return 'node(s) had volume node affinity conflict';
  }
  return undefined;
}

/** Claims that must learn the pod's node before they can be bound. */
export function claimsToPlace(claims: readonly PodClaim[], nodeName: string): string[] {
  return claims.flatMap(({ name, claim, storageClass }) => {
    if (!claim || isBound(claim) || !waitsForConsumer(storageClass)) return [];
    const chosen = chosenNode(claim);
    const anywhere = storageClass !== undefined && poolOf(storageClass) === 'shared' && chosen !== undefined;
    return chosen === nodeName || anywhere ? [] : [name];
  });
}
