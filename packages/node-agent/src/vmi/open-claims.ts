import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { DiskBacking } from '@godwit/hypervisor';
import { claimNameOf, imageOf, seeClaim } from '../launcher/claims.ts';
import type { ClaimCaches, SeenClaim } from '../launcher/claims.ts';
import type { Pools } from '../volumes/location.ts';

export interface OpenClaimsIo {
  readonly seeClaim: (volume: string, claimName: string) => SeenClaim;
  /** The image file behind a claim; undefined when it has none here. */
  readonly imageOf: (claim: SeenClaim) => string | undefined;
}

type Vmi = Pick<VirtualMachineInstance, 'spec' | 'status'>;

/** Claims that a volume is or was on, as far as the VMI says, the one named by the spec first. */
function candidates(vmi: Vmi, volume: string, specClaim: string): string[] {
  const { migratedVolumes = [], migrationState } = vmi.status ?? {};
  const known = [...migratedVolumes, ...(migrationState?.volumes ?? [])].filter((info) => info.volumeName === volume);
  const ends = known.flatMap((info) => [info.sourcePVCInfo?.claimName, info.destinationPVCInfo?.claimName]);
  return [...new Set([specClaim, ...ends.filter((claim) => claim !== undefined)])];
}

/**
 * The claims whose images the guest's disks have open, one per claim-backed volume. While volumes are being moved the spec
 * names the targets long before the first byte is there; whoever acts on a volume needs the one that has the data. When
 * no image tells, a volume that is announced to move is still on its source.
 */
export function openClaims(vmi: Vmi, backings: readonly DiskBacking[], io: OpenClaimsIo): readonly SeenClaim[] {
  return (vmi.spec.volumes ?? []).flatMap((volume) => {
    const specClaim = claimNameOf(volume);
    if (specClaim === undefined) return [];
    const path = backings.find((backing) => backing.name === volume.name)?.path;
    const seen = candidates(vmi, volume.name, specClaim).map((claim) => io.seeClaim(volume.name, claim));
    const open = path === undefined ? undefined : seen.find((claim) => io.imageOf(claim) === path);
    if (open) return [open];
    const moving = vmi.status?.migratedVolumes?.find((info) => info.volumeName === volume.name);
    return [io.seeClaim(volume.name, moving?.sourcePVCInfo?.claimName ?? specClaim)];
  });
}

/** `openClaims`, as the caches and this node's pools know them. */
export function seeOpenClaims(
  io: ClaimCaches & { readonly pools: Pools },
  vmi: Stored<VirtualMachineInstance>,
  backings: readonly DiskBacking[],
): readonly SeenClaim[] {
  return openClaims(vmi, backings, {
    seeClaim: (volume, claimName) => seeClaim(io, vmi.metadata.namespace ?? '', volume, claimName),
    imageOf: (claim) => imageOf(claim, io.pools),
  });
}
