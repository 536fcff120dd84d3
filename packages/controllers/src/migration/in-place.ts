import { names } from '@godwit/api';
import { reachFrom } from '../virt/reachable.ts';
import { wantsVolumeMigration } from '../virtual-machine-instance/conditions.ts';
import type { Instance, SeenMigration } from './seen.ts';

export type Method =
  /** The disks change under the guest, which stays where it is. */
  | { readonly method: 'InPlace'; readonly provision: readonly string[] }
  /** A second QEMU on another node. */
  | { readonly method: 'OtherNode' }
  | { readonly method: 'undecided'; readonly message: string };

/** Claims that the VMI's announced volumes move to. */
export function targetClaims(vmi: Instance): string[] {
  return (vmi.status?.migratedVolumes ?? []).flatMap(({ destinationPVCInfo }) => destinationPVCInfo?.claimName ?? []);
}

function forcedElsewhere({ migration, sourceNode }: SeenMigration): boolean {
  if (migration.metadata.annotations?.[names.evacuationMigrationAnnotation] !== undefined) return true;
  const labels = sourceNode?.metadata.labels ?? {};
  return Object.entries(migration.spec.addedNodeSelector ?? {}).some(([key, value]) => labels[key] !== value);
}

/** Copying inside one QEMU moves no memory and stops no vCPU, so it is taken whenever every target can be reached from the guest's node. */
export function chooseMethod(seen: SeenMigration, vmi: Instance): Method {
  if (!wantsVolumeMigration(vmi) || forcedElsewhere(seen)) return { method: 'OtherNode' };
  const node = vmi.status?.nodeName ?? '';
  const reaches = targetClaims(vmi).map((claim) => ({ claim, reach: reachFrom(seen.claim(claim), node) }));
  if (reaches.some(({ reach }) => reach === 'elsewhere')) return { method: 'OtherNode' };
  const unknown = reaches.find(({ reach }) => reach === 'unknown');
  if (unknown)
    return {
      method: 'undecided',
      message: `Waits for PVC ${unknown.claim} to be bound to know which nodes can reach it`,
    };
  return {
    method: 'InPlace',
    provision: reaches.filter(({ reach }) => reach === 'provision').map(({ claim }) => claim),
  };
}
