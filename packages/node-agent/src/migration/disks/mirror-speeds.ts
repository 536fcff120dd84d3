import type { Machine, MirrorProgress } from '@godwit/hypervisor';
import { shareBandwidth, type ConvergencePolicy } from '@godwit/migration';

/** Keeps the mirrors of one copy within the limit of the whole. Without a limit it does nothing. */
export interface MirrorSpeeds {
  /** With what each of these mirrors is to begin; 0: unlimited. */
  begin(disks: readonly string[]): number;
  /** Gives every mirror its share, and says what is left for memory; undefined: unlimited. */
  share(
    phase: 'disks' | 'memory',
    mirrors: readonly MirrorProgress[],
    dirtyBytesPerSecond?: number,
  ): Promise<number | undefined>;
  /** The guest waits for what is left. */
  unlimited(disks: readonly string[]): Promise<void>;
}

export function limitMirrors(
  machine: Pick<Machine, 'setMirrorSpeed'>,
  { bandwidthBytesPerSecond: limit }: Pick<ConvergencePolicy, 'bandwidthBytesPerSecond'>,
): MirrorSpeeds {
  const told = new Map<string, number>();
  const tell = async (disk: string, speed: number) => {
    if (told.get(disk) === speed) return;
    told.set(disk, speed);
    await machine.setMirrorSpeed(disk, speed);
  };
  return {
    begin(disks) {
      if (limit === undefined) return 0;
      const { copying } = shareBandwidth(limit, { phase: 'disks', copying: disks.length, inSync: 0 });
      for (const disk of disks) told.set(disk, copying);
      return copying;
    },
    async share(phase, mirrors, dirtyBytesPerSecond) {
      if (limit === undefined) return undefined;
      const inSync = mirrors.filter((mirror) => mirror.ready).length;
      const copying = mirrors.length - inSync;
      const use = { phase, copying, inSync, ...(dirtyBytesPerSecond === undefined ? {} : { dirtyBytesPerSecond }) };
      const share = shareBandwidth(limit, use);
      for (const { disk, ready } of mirrors) await tell(disk, ready ? share.inSync : share.copying);
      return share.memory;
    },
    async unlimited(disks) {
      if (limit !== undefined) await Promise.all(disks.map((disk) => tell(disk, 0)));
    },
  };
}
