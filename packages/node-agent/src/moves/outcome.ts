import { findCondition, names, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, VirtualMachineInstance, VmiMigrationState } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import type { MigrationPorts, SideStatus } from '../migration/types.ts';
import type { VmiChange } from '../vmi/write-vmi.ts';

/*
 * What node agents write into a VMI's migration record, as changes of one version of the object. Every function leaves
 * a record alone that belongs to another migration or is closed already: the first word stands.
 */

export const undecidedCondition = 'HandoverUndecided';
export const hinderedCondition = 'MigrationHindered';

type Vmi = Pick<VirtualMachineInstance, 'status' | 'metadata'>;

function openRecord(vmi: Vmi, migrationUid: string): VmiMigrationState | undefined {
  const state = vmi.status?.migrationState;
  return state?.migrationUid === migrationUid && state.completed !== true && state.failed !== true ? state : undefined;
}

export function targetListens(
  vmi: Vmi,
  migrationUid: string,
  at: { readonly address: string; readonly ports: MigrationPorts; readonly nodeName: string; readonly podName: string },
): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  if (!state) return undefined;
  const ports = { [String(at.ports.control)]: 0, [String(at.ports.memory)]: 49152, [String(at.ports.block)]: 49153 };
  return {
    status: {
      migrationState: {
        ...state,
        targetNodeAddress: at.address,
        targetDirectMigrationNodePorts: ports,
        migrationNetworkType: 'Pod',
        targetState: {
          ...state.targetState,
          node: at.nodeName,
          pod: at.podName,
          nodeAddress: at.address,
          directMigrationNodePorts: ports,
        },
      },
    },
  };
}

/** Ports as the source needs them, from the map that the target published. */
export function portsOf(published: Readonly<Record<string, number>>): MigrationPorts | undefined {
  const byChannel = new Map(Object.entries(published).map(([port, channel]) => [channel, Number(port)]));
  const [control, memory, block] = [byChannel.get(0), byChannel.get(49152), byChannel.get(49153)];
  return control === undefined || memory === undefined || block === undefined ? undefined : { control, memory, block };
}

/** `onTarget`: volumes that are on their destinations already, where that is known; they are not copied again. */
export function copyBegins(
  vmi: Vmi,
  migrationUid: string,
  nowMs: number,
  onTarget?: readonly string[],
): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  if (!state || state.abortRequested) return undefined;
  const known = onTarget === undefined ? state : withMoved(state, onTarget);
  return { status: { migrationState: { ...known, startTimestamp: rfc3339(nowMs), mode: 'PreCopy' } } };
}

function withMoved(state: VmiMigrationState, volumes: readonly string[]): VmiMigrationState {
  const { movedVolumes: _before, ...rest } = state;
  return volumes.length === 0 ? rest : { ...rest, movedVolumes: [...new Set(volumes)] };
}

/**
 * For a failed record that somebody else has closed: what this node knows of where the guest's data are, and the volumes
 * that are on their destinations only. The first word about the side stands.
 */
export function toldAfterwards(
  vmi: Vmi,
  migrationUid: string,
  settledOn: VmiMigrationState['settledOn'],
  volumes: readonly string[],
): VmiChange | undefined {
  const state = vmi.status?.migrationState;
  const known = state?.movedVolumes ?? [];
  if (state?.migrationUid !== migrationUid || !state.failed) return undefined;
  const side = state.settledOn ?? settledOn;
  if (side === state.settledOn && volumes.every((volume) => known.includes(volume))) return undefined;
  const told = volumes.length === 0 ? state : withMoved(state, [...known, ...volumes]);
  return { status: { migrationState: { ...told, ...(side && { settledOn: side }) } } };
}

export function abortPassedOn(vmi: Vmi, migrationUid: string): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  return state && { status: { migrationState: { ...state, abortStatus: 'Aborting' } } };
}

/** Without what is said only while a migration runs. */
function settled(conditions: readonly Condition[]): readonly Condition[] {
  const without = withoutCondition(withoutCondition(conditions, undecidedCondition), hinderedCondition);
  return without.filter(({ type, reason }) => type !== 'Paused' || reason !== pausedByMigration.reason);
}

const pausedByMigration: Condition = {
  type: 'Paused',
  status: 'True',
  reason: 'PausedByMigrationMonitor',
  message: 'VMI was paused by the migration monitor',
};

/** Policy has chosen another way for the guest than to copy it while it runs. */
export function modeChosen(
  vmi: Vmi,
  migrationUid: string,
  mode: SideStatus['mode'],
  nowMs: number,
): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  if (!state || mode === undefined || state.mode === mode) return undefined;
  const conditions = vmi.status?.conditions ?? [];
  return {
    status: {
      ...(mode === 'Paused' && { conditions: [...withCondition(conditions, pausedByMigration, nowMs)] }),
      migrationState: { ...state, mode },
    },
  };
}

/**
 * Who has what the guest wrote last when a migration failed. `source-unless-begun` is for a record in which its source says
 * that it begins: as long as it does not say so the source has everything, and may not begin once the record is closed.
 */
export type SettledOn = 'source' | 'nobody' | 'source-unless-begun';

function sourceHasAll(state: VmiMigrationState, told: SettledOn | undefined): boolean {
  if (told === 'source-unless-begun') return state.startTimestamp === undefined;
  // After a post-copy neither side may have everything.
  return told === undefined ? state.mode !== 'PostCopy' : told === 'source';
}

/** The guest runs where it was; the record says why and that it is over, and which volumes (`moved`) are not where they were. */
export function moveFailed(
  vmi: Vmi,
  migrationUid: string,
  how: {
    readonly reason: string;
    readonly aborted: boolean;
    readonly moved?: readonly string[];
    /** Stable code of the error, where there was one. */
    readonly code?: string;
    /** Where that does not follow from the way it went. */
    readonly settledOn?: SettledOn;
  },
  nowMs: number,
): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  if (!state) return undefined;
  return {
    status: {
      conditions: [...settled(vmi.status?.conditions ?? [])],
      migrationState: {
        ...withMoved(state, [...(state.movedVolumes ?? []), ...(how.moved ?? [])]),
        startTimestamp: state.startTimestamp ?? rfc3339(nowMs),
        endTimestamp: rfc3339(nowMs),
        failed: true,
        completed: true,
        failureReason: how.reason,
        ...(how.code !== undefined && { failureCode: how.code }),
        ...(sourceHasAll(state, how.settledOn) && { settledOn: 'source' as const }),
        ...(how.aborted && { abortStatus: 'Succeeded' as const }),
      },
    },
    labels: { [names.migrationTargetNodeLabel]: undefined },
  };
}

/** The volumes with the claims they are on now: whoever sees the move completed finds the data where it says. */
function arrivedVolumes(vmi: Vmi, state: VmiMigrationState): NonNullable<Vmi['status']>['volumeStatus'] {
  const targets = new Map(
    (state.volumes ?? vmi.status?.migratedVolumes ?? []).map((info) => [info.volumeName, info.destinationPVCInfo]),
  );
  return vmi.status?.volumeStatus?.map((volume) => {
    const target = targets.get(volume.name);
    return target ? { ...volume, persistentVolumeClaimInfo: target } : volume;
  });
}

/**
 * The guest runs on its target. One write, so that nobody sees `completed` while the volume change still stands: the node
 * flips, evacuation and volume change are settled, the target label goes.
 */
export function moveCompleted(vmi: Vmi, migrationUid: string, nodeName: string, nowMs: number): VmiChange | undefined {
  const state = openRecord(vmi, migrationUid);
  if (!state) return undefined;
  const now = rfc3339(nowMs);
  const conditions = withoutCondition(
    withoutCondition(settled(vmi.status?.conditions ?? []), 'VolumesChange'),
    'MigrationRequired',
  );
  const inPlace = state.method === 'InPlace';
  const volumeStatus = arrivedVolumes(vmi, state);
  return {
    labels: { [names.nodeNameLabel]: nodeName, [names.migrationTargetNodeLabel]: undefined },
    status: {
      nodeName,
      // A guest whose disks changed under it has not left its node.
      ...(!inPlace && { evacuationNodeName: undefined }),
      launcherContainerImageVersion: undefined,
      migratedVolumes: undefined,
      ...(volumeStatus && { volumeStatus }),
      conditions: [...conditions],
      migrationState: {
        ...withMoved(state, []),
        startTimestamp: state.startTimestamp ?? now,
        endTimestamp: now,
        completed: true,
        targetNodeDomainDetected: true,
        targetNodeDomainReadyTimestamp: now,
        // An abort that came too late did not happen.
        ...(state.abortRequested && { abortStatus: 'Failed' as const }),
        ...(!inPlace && { targetState: { ...state.targetState, domainDetected: true, domainReadyTimestamp: now } }),
      },
    },
  };
}

/** Why a side is undecided: whom it cannot reach. */
const UNDECIDED_SIDE = { source: 'TargetUnreachable', target: 'SourceUnreachable' } as const;

/**
 * A condition while a side cannot say which of them has the guest; taken away by the same side when it can. Of two sides
 * the first is heard, and the other, should it still not know when the first does.
 */
export function undecided(
  vmi: Vmi,
  role: keyof typeof UNDECIDED_SIDE,
  status: SideStatus,
  nowMs: number,
): VmiChange | undefined {
  const conditions = vmi.status?.conditions ?? [];
  const told = findCondition(conditions, undecidedCondition);
  const reason = UNDECIDED_SIDE[role];
  if ((told !== undefined) === status.undecided || (told !== undefined && told.reason !== reason)) return undefined;
  const why = status.message ?? 'the peer cannot be reached; both guests are paused until it answers';
  const condition: Condition = { type: undecidedCondition, status: 'True', reason, message: `${why} (godwit resolve)` };
  const next = status.undecided
    ? withCondition(conditions, condition, nowMs)
    : withoutCondition(conditions, undecidedCondition);
  return { status: { conditions: [...next] } };
}

const HINDERED_SIDE = { source: 'SourceRetries', target: 'TargetRetries', 'in-place': 'SourceRetries' } as const;

/** That side has said that it cannot do what it must. */
export function isHindered(vmi: Vmi, role: keyof typeof HINDERED_SIDE): boolean {
  return findCondition(vmi.status?.conditions, hinderedCondition)?.reason === HINDERED_SIDE[role];
}

/**
 * A condition while a side of the migration cannot do what it must; taken away by the same side when it can. Of two sides
 * the first is heard.
 */
export function hindered(
  vmi: Vmi,
  role: keyof typeof HINDERED_SIDE,
  why: string | undefined,
  nowMs: number,
): VmiChange | undefined {
  const conditions = vmi.status?.conditions ?? [];
  const told = findCondition(conditions, hinderedCondition);
  const reason = HINDERED_SIDE[role];
  if (told !== undefined && told.reason !== reason) return undefined;
  if (told?.message === why) return undefined;
  const next =
    why === undefined
      ? withoutCondition(conditions, hinderedCondition)
      : withCondition(conditions, { type: hinderedCondition, status: 'True', reason, message: why }, nowMs);
  return { status: { conditions: [...next] } };
}
