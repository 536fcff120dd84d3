import { isAbsolute, join, resolve } from 'node:path';
import { affinityNodes, names } from '@godwit/api';
import type { PersistentVolume } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { isBelow } from '../host/directories.ts';

export interface Pools {
  readonly nodePool: string;
  readonly sharedPool: string;
}

export interface VolumeLocation {
  readonly pool: 'node' | 'shared';
  readonly poolPath: string;
  /** Filesystem: the volume's directory. Block: the raw file that plays the device. */
  readonly path: string;
  /** The raw image that a guest uses. */
  readonly image: string;
  readonly mode: 'Filesystem' | 'Block';
}

export function isReachable(pv: PersistentVolume, nodeName: string): boolean {
  const nodes = affinityNodes(pv);
  return nodes === undefined || nodes.includes(nodeName);
}

/**
 * Where a PV of this node's pools is. Throws `VOLUME_LOCATION` when it points outside its pool: agents create, fill and
 * delete only below their own pool directories.
 */
export function locateVolume(pv: PersistentVolume, pools: Pools): VolumeLocation {
  const pool = pv.metadata.annotations?.[names.poolAnnotation] === 'shared' ? 'shared' : 'node';
  const poolPath = pool === 'shared' ? pools.sharedPool : pools.nodePool;
  const given = pv.spec.local?.path ?? '';
  const path = isAbsolute(given) ? given : join(poolPath, given);
  if (given === '' || !isBelow(poolPath, path))
    throw new GodwitError('VOLUME_LOCATION', `PersistentVolume ${pv.metadata.name} is not inside the ${pool} pool`, {
      details: { path: given, pool: poolPath },
    });
  const mode = pv.spec.volumeMode ?? 'Filesystem';
  return { pool, poolPath, path, mode, image: mode === 'Block' ? path : join(path, 'disk.img') };
}

/**
 * True when the bytes of a PV lie where its provisioner would have put them: in its pool, under its own name. Anybody who
 * makes a PV chooses its path, and may name another one's files: only owned bytes are ever deleted.
 */
export function ownsItsPath(pv: PersistentVolume, pools: Pools): boolean {
  const pool = pv.metadata.annotations?.[names.poolAnnotation] === 'shared' ? pools.sharedPool : pools.nodePool;
  const { name = '' } = pv.metadata;
  const own = resolve(pool, name);
  return isBelow(pool, own) && resolve(pool, pv.spec.local?.path ?? '') === own;
}
