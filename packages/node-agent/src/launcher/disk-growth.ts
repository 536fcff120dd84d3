import { names } from '@godwit/api';
import type { VirtualMachineInstance } from '@godwit/api';
import type { DiskBacking, MachineSpec } from '@godwit/hypervisor';
import { volumeMarks } from '../volumes/names.ts';
import type { SeenClaim, UsableClaim } from './claims.ts';

export interface Growth {
  readonly disk: string;
  readonly claimName: string;
  readonly location: UsableClaim;
  readonly fromBytes: number;
  readonly toBytes: number;
}

export interface GrowthInput {
  readonly vmi: Pick<VirtualMachineInstance, 'status'>;
  readonly spec: MachineSpec;
  readonly backings: readonly DiskBacking[];
  /** The claims whose images the guest has open. */
  readonly open: readonly SeenClaim[];
  readonly locate: (claim: SeenClaim) => UsableClaim | undefined;
}

/**
 * Somebody wants the guest to have all of the claim: the claim was expanded, by somebody else than the controller that
 * made room for a disk of the old size, or it says so. A disk that was merely moved to a bigger claim keeps its size, so
 * that it can go back.
 */
export function isGrowthAsked({ pvc, pv }: SeenClaim): boolean {
  const marks = pvc?.metadata.annotations ?? {};
  if (marks[names.growDiskAnnotation] === 'true') return true;
  if (pv?.metadata.annotations?.[volumeMarks.expanded] === undefined) return false;
  return marks[names.expandedForDiskAnnotation] !== pvc?.spec.resources?.requests?.storage;
}

/** Disks that are to be shown bigger to their guest. None while volumes are being moved: both ends have one size then. */
export function decideGrowth({ vmi, spec, backings, open, locate }: GrowthInput): readonly Growth[] {
  const state = vmi.status?.migrationState;
  const underway = state?.migrationUid !== undefined && state.completed !== true && state.failed !== true;
  if (underway || (vmi.status?.migratedVolumes ?? []).length > 0) return [];
  return spec.disks.flatMap((disk) => {
    if (disk.readOnly || disk.device === 'cdrom') return [];
    const claim = open.find((one) => one.volume === disk.name);
    if (!claim || !isGrowthAsked(claim)) return [];
    const location = locate(claim);
    const backing = backings.find((one) => one.name === disk.name);
    if (!location || location.image !== backing?.path || location.sizeBytes <= disk.sizeBytes) return [];
    const { claimName } = claim;
    return [{ disk: disk.name, claimName, location, fromBytes: disk.sizeBytes, toBytes: location.sizeBytes }];
  });
}
