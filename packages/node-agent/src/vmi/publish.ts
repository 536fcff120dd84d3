import { findCondition } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { KubeClient } from '@godwit/kube-client';
import type { EventRecorder } from '@godwit/reconcile';
import { seeClaims } from '../launcher/claims.ts';
import type { ClaimCaches } from '../launcher/claims.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { PlugTrouble } from '../launcher/plug-disks.ts';
import type { Pools } from '../volumes/location.ts';
import { desiredRunningStatus, GUEST_NOT_ANSWERING, silentStatus } from './desired-status.ts';
import { seeOpenClaims } from './open-claims.ts';
import { changeVmi } from './write-vmi.ts';

/** Brings a VMI's status in line with the machine this node holds for it; writes nothing when it already is. */
export async function publishRunning(
  io: ClaimCaches & { readonly client: KubeClient; readonly pools: Pools },
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
  nodeName: string,
  clock: Clock,
  troubles: readonly PlugTrouble[] = [],
): Promise<void> {
  const runState = await held.machine.state();
  const namespace = vmi.metadata.namespace ?? '';
  await changeVmi(
    io.client,
    { namespace, name: held.record.vmi.name, uid: held.record.vmi.uid },
    (current) => {
      // As they are now: a move that ends meanwhile changes them.
      const { spec, backings, pausedByUser = false } = held.record;
      const open = seeOpenClaims(io, current, backings);
      const { pod } = held.record;
      const guest = { vmi: current, claims: seeClaims(io, current), open, nodeName, pod, spec, runState, pausedByUser };
      return desiredRunningStatus({ ...guest, troubles }, clock.now());
    },
    vmi,
  );
}

/** Says of a guest whose QEMU does not answer that nobody can use it, and why; the next `publishRunning` takes it back. */
export async function publishSilent(
  io: { readonly client: KubeClient; readonly events: EventRecorder },
  vmi: Stored<VirtualMachineInstance>,
  nodeName: string,
  why: string,
  clock: Clock,
): Promise<void> {
  const { namespace = '', name, uid } = vmi.metadata;
  const now = await changeVmi(
    io.client,
    { namespace, name, uid },
    (current) => silentStatus(current, nodeName, why, clock.now()),
    vmi,
  );
  const told = findCondition(now?.status?.conditions, 'Ready');
  if (
    now === undefined ||
    told?.reason !== GUEST_NOT_ANSWERING ||
    now.metadata.resourceVersion === vmi.metadata.resourceVersion
  )
    return;
  io.events.record(now, 'Warning', GUEST_NOT_ANSWERING, told.message ?? why);
}
