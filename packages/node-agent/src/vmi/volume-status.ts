import { isHotpluggable } from '@godwit/api';
import type { PersistentVolumeClaimInfo, Volume } from '@godwit/api';
import { compareText } from '@godwit/core/compare-text';
import type { DiskSpec } from '@godwit/hypervisor';
import { waitingFor } from '../launcher/claims.ts';
import type { SeenClaim } from '../launcher/claims.ts';
import type { RunningGuest } from './desired-status.ts';
import type { VmiStatus } from './write-vmi.ts';

type Entry = NonNullable<VmiStatus['volumeStatus']>[number];

export function claimInfo({ claimName, pvc }: SeenClaim): PersistentVolumeClaimInfo {
  if (!pvc) return { claimName };
  const accessModes = pvc.status?.accessModes ?? pvc.spec.accessModes;
  const mode = pvc.spec.volumeMode ?? 'Filesystem';
  return {
    claimName,
    ...(accessModes && { accessModes }),
    volumeMode: mode,
    ...(pvc.status?.capacity && { capacity: pvc.status.capacity }),
    ...(pvc.spec.resources?.requests && { requests: pvc.spec.resources.requests }),
    ...(mode === 'Filesystem' && { filesystemOverhead: '0' }),
  };
}

/** Names that a guest is likely to give its disks, in the order of their devices. */
function targetsOf(disks: readonly DiskSpec[]): ReadonlyMap<string, string> {
  const used: Record<string, number> = {};
  return new Map(
    disks.map(({ name, bus }) => {
      const prefix = bus === 'virtio' ? 'vd' : 'sd';
      const index = used[prefix] ?? 0;
      used[prefix] = index + 1;
      return [name, prefix + lettersOf(index)];
    }),
  );
}

/** a … z, aa, ab … */
function lettersOf(index: number): string {
  const last = String.fromCodePoint(97 + (index % 26));
  return index < 26 ? last : lettersOf(Math.floor(index / 26) - 1) + last;
}

/** How far a volume is that comes while the guest runs, in KubeVirt's phases. */
function progress(guest: RunningGuest, { name }: Volume, attached: boolean): Partial<Entry> {
  if (attached) {
    const message = `Successfully attach hotplugged volume ${name} to VM`;
    return { phase: 'Ready', reason: 'VolumeReady', message };
  }
  const claims = guest.claims.filter((claim) => claim.volume === name);
  const bound = claims.some(({ pvc }) => pvc?.status?.phase === 'Bound');
  const trouble = guest.troubles?.find(({ volume }) => volume === name);
  const why = trouble ?? waitingFor(claims, guest.nodeName);
  const { reason = 'PVCBound', message = `PVC of volume ${name} is bound` } = why ?? {};
  return { phase: bound ? 'Bound' : 'Pending', reason, message };
}

/** What the VMI says about its volumes; one that is being taken away stays until the guest has lost it. */
export function volumeStatus(guest: RunningGuest): VmiStatus['volumeStatus'] {
  const { vmi, claims, open = claims, spec, pod } = guest;
  const targets = targetsOf(spec.disks);
  const hotplugVolume = pod ? { attachPodName: pod.name, attachPodUID: pod.uid } : {};
  const volumes = vmi.spec.volumes ?? [];
  const named = volumes.map((volume): Entry => {
    const claim = open.find((one) => one.volume === volume.name);
    const disk = spec.disks.find((one) => one.name === volume.name);
    return {
      name: volume.name,
      target: targets.get(volume.name) ?? '',
      ...(disk && { size: disk.sizeBytes }),
      ...(claim && { persistentVolumeClaimInfo: claimInfo(claim) }),
      ...(volume.containerDisk && { containerDiskVolume: {} }),
      ...(isHotpluggable(volume) && { hotplugVolume, ...progress(guest, volume, disk !== undefined) }),
    };
  });
  const leaving = spec.disks.flatMap(({ name, sizeBytes }): Entry[] => {
    if (volumes.some((volume) => volume.name === name)) return [];
    const before = vmi.status?.volumeStatus?.find((entry) => entry.name === name);
    const trouble = guest.troubles?.find(({ volume }) => volume === name);
    const { reason = 'VolumeDetaching', message = `Volume ${name} is being taken away from the guest` } = trouble ?? {};
    const place = { name, target: targets.get(name) ?? '', size: sizeBytes, hotplugVolume };
    return [{ ...before, ...place, phase: 'Detaching', reason, message }];
  });
  return [...named, ...leaving].toSorted((a, b) => compareText(a.name, b.name));
}
