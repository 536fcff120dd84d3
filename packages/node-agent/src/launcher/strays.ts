import { resources } from '@godwit/api';
import type { ObjectKey, Pod } from '@godwit/api';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache } from '@godwit/reconcile';
import type { Machines } from './machines.ts';
import type { MoveCustody } from './reconciler.ts';
import type { MachineRecords } from './record.ts';

export interface StraysIo {
  readonly client: KubeClient;
  readonly pods: Cache<Pod>;
  readonly machines: Machines;
  readonly records: MachineRecords;
  readonly moves: MoveCustody;
}

const LOOK_AGAIN_MS = 1000;
const DELETED = 'the launcher pod was deleted';

/**
 * Ends and forgets what this node still keeps for pods of this name that are gone without having said good-bye (deleted
 * by force, or while no agent ran). A pod counts as gone only when the API server itself says so; a machine that a
 * migration has in its hands is left until the migration has ended.
 */
export async function settleStrays(
  key: ObjectKey,
  io: StraysIo,
  log: Logger,
): Promise<{ requeueAfterMs: number } | void> {
  const known = io.pods.get(key)?.metadata.uid;
  const strays = (await io.records.list()).filter(
    ({ pod }) => pod.namespace === key.namespace && pod.name === key.name && pod.uid !== known,
  );
  if (strays.length === 0) return;
  const current = await io.client.get<Pod>(resources.pods, key.name, key.namespace);
  for (const { pod, state } of strays) {
    if (current?.metadata.uid === pod.uid) continue;
    // What a migration could still make of one that hangs is over: its guest may start anew elsewhere.
    if (io.machines.whyReserved(pod.uid) !== undefined) await io.machines.kill(pod.uid, DELETED);
    // One that cannot be read any more has no QEMU here after that, nor a pod: nobody needs to find out.
    const isMoving = io.moves.isMoving(pod.uid) && !io.moves.isUnreadable(pod.uid);
    if (isMoving || io.machines.get(pod.uid)?.custody === 'migration') {
      io.moves.abort(pod.uid, 'the launcher pod is gone');
      return { requeueAfterMs: LOOK_AGAIN_MS };
    }
    // The pod of a machine that has ended may go without its agent; any other should not have been able to.
    log[state === 'ended' ? 'info' : 'warn']({ Pod: pod }, 'removing what a vanished pod left behind');
    await io.machines.kill(pod.uid, DELETED);
    await io.moves.forgetPod(pod.uid);
    await io.machines.forget(pod.uid);
  }
}
