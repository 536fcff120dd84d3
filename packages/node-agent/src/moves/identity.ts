import type { Stored, VirtualMachineInstance, VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';
import { claimNameOf } from '../launcher/claims.ts';
import type { MachineSpec } from '@godwit/hypervisor';
import { GodwitError } from '@godwit/core/errors';
import type { MigrationIdentity } from '../migration/types.ts';

type Vmi = Stored<VirtualMachineInstance>;
type Vmim = Stored<VirtualMachineInstanceMigration>;

export function isCrossCluster(vmim: Pick<VirtualMachineInstanceMigration, 'spec'>): boolean {
  return (vmim.spec.sendTo === undefined) !== (vmim.spec.receive === undefined);
}

/** What both sides call this migration; names are the source's on both. */
export function identityOf(vmi: Vmi, vmim: Vmim, role: 'source' | 'target'): MigrationIdentity {
  const own = { namespace: vmi.metadata.namespace ?? '', name: vmi.metadata.name };
  const id = vmim.spec.sendTo?.migrationID ?? vmim.spec.receive?.migrationID;
  if (!isCrossCluster(vmim) || id === undefined) return { id: vmim.metadata.uid, ...own };
  const source = vmi.status?.migrationState?.sourceState;
  if (role === 'source') return { id, ...own };
  return { id, namespace: source?.domainNamespace ?? own.namespace, name: source?.domainName ?? own.name };
}

/** The volumes this migration moves to other claims: frozen in the record, else as announced. */
export function movedVolumes(vmi: Pick<VirtualMachineInstance, 'status'>): NonNullable<VmiMigrationState['volumes']> {
  return vmi.status?.migrationState?.volumes ?? vmi.status?.migratedVolumes ?? [];
}

/**
 * Names of the disks whose bytes travel: volumes that change claims, every claim when the guest leaves the cluster, and
 * writable disks that belong to this node alone. A volume that an earlier attempt has left on its destination stays there. Throws `MOVE_UNSUPPORTED` when one of the claims is shown read-only:
 * such a disk cannot be copied under a running guest.
 */
export function copiedDisks(vmi: Vmi, spec: MachineSpec, crossCluster: boolean): readonly string[] {
  const there = vmi.status?.migrationState?.movedVolumes ?? [];
  const moved = new Set(movedVolumes(vmi).flatMap(({ volumeName: name }) => (there.includes(name) ? [] : [name])));
  const volumes = new Map((vmi.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return spec.disks.flatMap((disk) => {
    const volume = volumes.get(disk.name);
    const isClaim = volume !== undefined && claimNameOf(volume) !== undefined;
    const fixed = disk.device === 'cdrom' || disk.readOnly;
    if (!isClaim) return fixed ? [] : [disk.name];
    if (!moved.has(disk.name) && !crossCluster) return [];
    if (fixed)
      throw new GodwitError(
        'MOVE_UNSUPPORTED',
        `volume "${disk.name}" is shown to the guest read-only and cannot be copied`,
      );
    return [disk.name];
  });
}

/**
 * Post-copy is for guests whose claims both sides reach: in the middle of it neither side's memory is whole, and neither
 * should the only complete copy of a disk be on a side that nobody can run.
 */
export function postCopyProblem(
  vmi: Pick<VirtualMachineInstance, 'status'>,
  crossCluster: boolean,
): { readonly postCopyProblem?: string } {
  if (crossCluster) return { postCopyProblem: 'the guest leaves its cluster, with its volumes' };
  return movedVolumes(vmi).length > 0 ? { postCopyProblem: 'volumes are copied as well' } : {};
}
