import { findCondition, names, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, PersistentVolumeClaimInfo, Stored, VirtualMachineInstance } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { formatBytesQuantity } from '@godwit/core/quantity';
import type { MachineSpec, RunState } from '@godwit/hypervisor';
import type { SeenClaim } from '../launcher/claims.ts';
import { requestedMemoryBytes } from '../launcher/machine-spec.ts';
import { decideMigratability } from './migratability.ts';
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
}

/** KubeVirt's guest address behind masquerade. */
const GUEST_ADDRESS = '10.0.2.2';

export function claimInfo({ claimName, pvc }: SeenClaim): PersistentVolumeClaimInfo {
  if (!pvc) return { claimName };
  const accessModes = pvc.status?.accessModes ?? pvc.spec.accessModes;
  const mode = pvc.spec.volumeMode ?? 'Filesystem';
  return {
    claimName,
    ...(accessModes && { accessModes }),
    volumeMode: mode,
    ...(pvc.status?.capacity && { capacity: pvc.status.capacity }),
    ...(pvc.spec.resources?.requests && { requests: pvc.spec.resources.requests }),
    ...(mode === 'Filesystem' && { filesystemOverhead: '0' }),
  };
}

function volumeStatus({ vmi, claims, open = claims, spec }: RunningGuest): VmiStatus['volumeStatus'] {
  const letters: Record<string, number> = { virtio: 0, sata: 0, scsi: 0 };
  const targets = new Map(
    spec.disks.map((disk) => {
      const index = letters[disk.bus] ?? 0;
      letters[disk.bus] = index + 1;
      return [disk.name, `${disk.bus === 'virtio' ? 'vd' : 'sd'}${String.fromCodePoint(97 + index)}`];
    }),
  );
  return (vmi.spec.volumes ?? [])
    .map((volume) => {
      const claim = open.find((one) => one.volume === volume.name);
      const disk = spec.disks.find((one) => one.name === volume.name);
      return {
        name: volume.name,
        target: targets.get(volume.name) ?? '',
        ...(disk && { size: disk.sizeBytes }),
        ...(claim && { persistentVolumeClaimInfo: claimInfo(claim) }),
        ...(volume.containerDisk && { containerDiskVolume: {} }),
      };
    })
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

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
    ? { type: 'Ready', status: 'True' }
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
