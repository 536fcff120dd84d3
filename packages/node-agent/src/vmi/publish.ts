import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { KubeClient } from '@godwit/kube-client';
import { seeClaims } from '../launcher/claims.ts';
import type { ClaimCaches } from '../launcher/claims.ts';
import type { HeldMachine } from '../launcher/machines.ts';
import { desiredRunningStatus } from './desired-status.ts';
import { changeVmi } from './write-vmi.ts';

/** Brings a VMI's status in line with the machine this node holds for it; writes nothing when it already is. */
export async function publishRunning(
  io: ClaimCaches & { readonly client: KubeClient },
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
  nodeName: string,
  clock: Clock,
): Promise<void> {
  const runState = await held.machine.state();
  const { spec, pausedByUser = false, vmi: identity } = held.record;
  await changeVmi(
    io.client,
    { namespace: vmi.metadata.namespace ?? '', name: identity.name, uid: identity.uid },
    (current) =>
      desiredRunningStatus(
        { vmi: current, claims: seeClaims(io, current), nodeName, spec, runState, pausedByUser },
        clock.now(),
      ),
    vmi,
  );
}
