import type { StorageProfile } from './cdi-kinds.ts';
import type { AccessMode, VolumeMode } from './core-kinds.ts';

/** Modes as CDI fills them in: what is given stays, the first property set that fits supplies the rest. */
export function modesOf(
  accessModes: readonly AccessMode[] | undefined,
  volumeMode: VolumeMode | undefined,
  profile: StorageProfile | undefined,
): { accessModes: readonly AccessMode[]; volumeMode: VolumeMode } | undefined {
  const given = accessModes !== undefined && accessModes.length > 0 ? accessModes : undefined;
  if (given && volumeMode !== undefined) return { accessModes: given, volumeMode };
  const sets = profile?.status?.claimPropertySets ?? [];
  const fitting = sets.find(
    (set) =>
      (volumeMode === undefined || (set.volumeMode ?? 'Filesystem') === volumeMode) &&
      (given === undefined || given.every((mode) => set.accessModes.includes(mode))),
  );
  if (fitting) return { accessModes: given ?? fitting.accessModes, volumeMode: fitting.volumeMode ?? 'Filesystem' };
  return given ? { accessModes: given, volumeMode: volumeMode ?? 'Filesystem' } : undefined;
}
