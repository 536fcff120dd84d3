import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { KubeClient } from '@godwit/kube-client';
import { seeClaims } from '../launcher/claims.ts';
import type { ClaimCaches } from '../launcher/claims.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { PlugTrouble } from '../launcher/plug-disks.ts';
import type { Pools } from '../volumes/location.ts';
import { desiredRunningStatus } from './desired-status.ts';
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
