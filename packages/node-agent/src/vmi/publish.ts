import { findCondition } from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { RunState } from '@godwit/hypervisor';
import type { KubeClient } from '@godwit/kube-client';
import type { EventRecorder } from '@godwit/reconcile';
import { seeClaims } from '../launcher/claims.ts';
import type { ClaimCaches } from '../launcher/claims.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import { PATIENCE_SECONDS, withPatience } from '../launcher/patience.ts';
import type { PlugTrouble } from '../launcher/plug-disks.ts';
import type { Pools } from '../volumes/location.ts';
import { desiredRunningStatus, silentStatus } from './desired-status.ts';
import { seeOpenClaims } from './open-claims.ts';
import { changeVmi } from './write-vmi.ts';

const GUEST_NOT_ANSWERING = 'GuestNotAnswering';

/** Brings a VMI's status in line with the machine this node holds for it; writes nothing when it already is. */
export async function publishRunning(
  io: ClaimCaches & { readonly client: KubeClient; readonly pools: Pools; readonly events: EventRecorder },
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
  nodeName: string,
  clock: Clock,
  troubles: readonly PlugTrouble[] = [],
): Promise<void> {
  let runState: RunState;
  try {
    const unanswered = `The QEMU of VMI ${held.record.vmi.name} did not answer within ${PATIENCE_SECONDS} s`;
    runState = await withPatience(held.machine.state(), clock, unanswered);
  } catch (error) {
    if (!isGodwitError(error, 'HYPERVISOR_TIMEOUT')) throw error;
    return publishSilent(io, vmi, nodeName, describeError(error), clock);
  }
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
  const message =
    `The QEMU of the guest does not answer on node ${nodeName}: ${why}. ` +
    'It is asked again and again; to delete the VMI ends it, whether it answers or not';
  const silent: Condition = { type: 'Ready', status: 'False', reason: GUEST_NOT_ANSWERING, message };
  let isNews = false;
  await changeVmi(
    io.client,
    { namespace, name, uid },
    (current) => {
      const change = silentStatus(current, nodeName, silent, clock.now());
      isNews = change !== undefined && findCondition(current.status?.conditions, 'Ready')?.reason !== silent.reason;
      return change;
    },
    vmi,
  );
  if (isNews) io.events.record(vmi, 'Warning', GUEST_NOT_ANSWERING, message);
}
