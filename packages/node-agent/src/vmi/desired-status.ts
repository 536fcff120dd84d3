import { findCondition, names, podTerminating, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { formatBytesQuantity } from '@godwit/core/quantity';
import type { MachineSpec, RunState } from '@godwit/hypervisor';
import type { SeenClaim } from '../launcher/claims.ts';
import { requestedMemoryBytes } from '../launcher/machine-spec.ts';
import type { PlugTrouble } from '../launcher/plug-disks.ts';
import { decideMigratability } from './migratability.ts';
import { volumeStatus } from './volume-status.ts';
import type { VmiChange, VmiStatus } from './write-vmi.ts';

export interface RunningGuest {
  readonly vmi: Stored<VirtualMachineInstance>;
  /** Those that the spec names. */
  readonly claims: readonly SeenClaim[];
  /** Those whose images the guest has open, see `openClaims`; absent: the same. */
  readonly open?: readonly SeenClaim[];
  readonly nodeName: string;
  readonly spec: MachineSpec;
  readonly runState: RunState;
  readonly pausedByUser: boolean;
  /** The launcher pod that has the guest. */
  readonly pod?: { readonly name: string; readonly uid: string };
  /** What keeps volumes from coming or going. */
  readonly troubles?: readonly PlugTrouble[];
}

/** KubeVirt's guest address behind masquerade. */
const GUEST_ADDRESS = '10.0.2.2';

function pausedCondition({ runState, pausedByUser, vmi }: RunningGuest): Condition | undefined {
  if (runState === 'io-error')
    return {
      type: 'Paused',
      status: 'True',
      reason: 'PausedIOError',
      message: 'VMI was paused, a disk reported an error',
    };
  if (pausedByUser && runState === 'paused')
    return { type: 'Paused', status: 'True', reason: 'PausedByUser', message: 'VMI was paused by user' };
  // Somebody's pause that this agent did not order, a migration's for example, is not this agent's to explain.
  const known = findCondition(vmi.status?.conditions, 'Paused');
  return runState === 'paused' && known?.reason === 'PausedByMigrationMonitor' ? known : undefined;
}

function desiredConditions(
  guest: RunningGuest,
  migratability: readonly Condition[],
  nowMs: number,
): readonly Condition[] {
  let conditions: readonly Condition[] = guest.vmi.status?.conditions ?? [];
  const alive = guest.runState !== 'gone' && guest.runState !== 'shutdown' && guest.runState !== 'internal-error';
  const ready: Condition = alive
    ? guest.vmi.metadata.deletionTimestamp === undefined
      ? { type: 'Ready', status: 'True' }
      : podTerminating
    : { type: 'Ready', status: 'False', reason: 'GuestNotRunning', message: `QEMU reports ${guest.runState}` };
  for (const condition of [ready, ...migratability]) conditions = withCondition(conditions, condition, nowMs);
  const paused = pausedCondition(guest);
  return paused ? withCondition(conditions, paused, nowMs) : withoutCondition(conditions, 'Paused');
}

function enteredRunning(
  status: VmiStatus | undefined,
  nowMs: number,
): Pick<VmiStatus, 'phase' | 'phaseTransitionTimestamps'> {
  const others = (status?.phaseTransitionTimestamps ?? []).filter((entry) => entry.phase !== 'Running');
  return {
    phase: 'Running',
    phaseTransitionTimestamps: [...others, { phase: 'Running', phaseTransitionTimestamp: rfc3339(nowMs) }],
  };
}

function isArriving({ status }: RunningGuest['vmi'], nodeName: string): boolean {
  const state = status?.migrationState;
  const target = state?.targetNode ?? state?.targetState?.node;
  return state?.migrationUid !== undefined && target === nodeName && state.completed !== true;
}

/**
 * What a node agent says about a guest it runs. The phase goes from Scheduled to Running and no further: how a VMI ends
 * is its controller's word, from the pod. Placement (`nodeName`) is written only with that step; migrations write their own.
 */
export function desiredRunningStatus(guest: RunningGuest, nowMs: number): VmiChange | undefined {
  const { vmi, spec, nodeName } = guest;
  const { phase } = vmi.status ?? {};
  if (phase !== 'Scheduled' && phase !== 'Running') return undefined;
  // A guest that has just arrived runs once its migration is told to be complete; to say so before that would be a
  // quarrel with the controller, who does not know yet.
  if (phase === 'Scheduled' && isArriving(vmi, nodeName)) return undefined;
  if (phase === 'Running' && vmi.status?.nodeName !== undefined && vmi.status.nodeName !== nodeName) return undefined;
  const { method, conditions } = decideMigratability(guest);
  const memory = formatBytesQuantity(requestedMemoryBytes(vmi));
  return {
    labels: { [names.nodeNameLabel]: nodeName },
    status: {
      ...(phase === 'Scheduled' && enteredRunning(vmi.status, nowMs)),
      nodeName,
      conditions: [...desiredConditions(guest, conditions, nowMs)],
      migrationMethod: method,
      migrationTransport: 'Unix',
      volumeStatus: volumeStatus(guest),
      interfaces: spec.nics.map((nic) => ({
        name: nic.name,
        mac: nic.mac,
        ipAddress: GUEST_ADDRESS,
        ipAddresses: [GUEST_ADDRESS],
        infoSource: 'domain',
      })),
      machine: { type: spec.machineType },
      memory: { guestAtBoot: memory, guestCurrent: memory, guestRequested: memory },
      currentCPUTopology: { cores: spec.cpu.cores, sockets: spec.cpu.sockets, threads: spec.cpu.threads },
    },
  };
}

/** The condition of a guest whose QEMU this node's agent cannot reach. Whoever ends such a guest has another word for it. */
export function silentStatus(
  { metadata, status }: Stored<VirtualMachineInstance>,
  nodeName: string,
  silent: Condition,
  nowMs: number,
): VmiChange | undefined {
  const isMine = status?.phase === 'Running' && status.nodeName === nodeName;
  if (!isMine || metadata.deletionTimestamp !== undefined) return undefined;
  return { status: { conditions: [...withCondition(status.conditions ?? [], silent, nowMs)] } };
}
