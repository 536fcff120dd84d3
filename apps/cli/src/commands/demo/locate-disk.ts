import { isAbsolute, join } from 'node:path';
import { names, resources } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import type { KubeClient } from '@godwit/kube-client';
import type { Layout } from '../../local/layout.ts';
import { namespace } from './objects.ts';

/** The raw image behind a PersistentVolume of a local cluster. */
export function imagePath(layout: Layout, cluster: string, volume: PersistentVolume): string {
  const at = layout.cluster(cluster);
  const node = volume.spec.nodeAffinity?.required.nodeSelectorTerms[0]?.matchExpressions[0]?.values[0] ?? '';
  const pool =
    volume.metadata.annotations?.[names.poolAnnotation] === 'shared' ? at.shared : join(at.node(node), 'volumes');
  const given = volume.spec.local?.path ?? '';
  const path = isAbsolute(given) ? given : join(pool, given);
  return volume.spec.volumeMode === 'Block' ? path : join(path, 'disk.img');
}

/** Where the bytes of a claim are on this machine. Only for reading them once nobody writes them any more. */
export async function locateDisk(
  client: KubeClient,
  layout: Layout,
  cluster: string,
  claimName: string,
): Promise<string> {
  const claim = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, claimName, namespace);
  const volume = await client.get<PersistentVolume>(resources.persistentVolumes, claim?.spec.volumeName ?? '');
  if (volume === undefined) throw new GodwitError('DEMO_DISK_UNKNOWN', `Claim ${claimName} has no volume`);
  return imagePath(layout, cluster, volume);
}
