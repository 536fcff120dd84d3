import { copyMarks, copyOrderOf, copyReportOf, hasCopyMarks } from '@godwit/api';
import type { DataVolume, OfflineCopyStatus, Stored, VirtualMachine } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { rfc3339 } from '@godwit/core/clock';
import type { ClaimFacts } from '../virt/reachable.ts';
import { checkOffline } from './offline-checks.ts';
import type { Obstacle } from './offline-checks.ts';
import { sayMoves } from './offline.ts';
import type { OfflineMove } from './offline.ts';

/*
 * The copy of a stopped VM's volumes. `status.offlineCopy` of the VM is what has been ordered; it is there from before the
 * first mark on a claim until after the last one is gone, and as long as it is there no guest starts. The commit is one
 * write: `lastVolumes` of the VM names the targets, all of them at once.
 *
 *   wanted ──(nothing in the way)──> ordered ──(agents: all Succeeded)──> committed ──(marks cleared)──> gone
 *                                      │  └──(one failed)──> marks cleared, waits ──> ordered anew, five times at most
 *                                      └──(not wanted any more)──> agents stop, marks cleared ──> gone
 */

export interface OfflineInput {
  readonly vm: Stored<VirtualMachine>;
  /** What is to be copied; empty when nothing is, or not now. */
  readonly moves: readonly OfflineMove[];
  readonly claim: (claimName: string) => ClaimFacts;
  readonly dataVolume: (name: string) => DataVolume | undefined;
  /** What else has to do with a claim, in words. */
  readonly usersOf: (claimName: string) => readonly string[];
  /** Nodes whose agents answer, in a fixed order. */
  readonly readyNodes: () => readonly string[];
}

/** Annotations of a claim that are to be set, or with null taken away. */
export interface ClaimMarks {
  readonly claim: string;
  readonly annotations: Readonly<Record<string, string | null>>;
}

export interface OfflinePlan {
  /** `status.offlineCopy` of the VM as it should be. */
  readonly status: OfflineCopyStatus | undefined;
  /** Why the VM cannot start now; absent when nothing is or was to be copied. */
  readonly obstacle?: Obstacle;
  /** The copy is complete: volume to claim that has what the guest wrote last from now on. */
  readonly copied?: Readonly<Record<string, string>>;
  readonly marks: readonly ClaimMarks[];
  readonly provision: readonly { readonly claim: string; readonly node: string }[];
  /** Tried for the last time; until somebody changes the volumes. */
  readonly gaveUp?: boolean;
  readonly requeueAfterMs?: number;
}

export const maxCopies = 5;
const FIRST_DELAY_MS = 20_000;
const LONGEST_DELAY_MS = 320_000;
const LOOK_AGAIN_MS = 1000;

const ALL_AWAY: Readonly<Record<string, null>> = Object.fromEntries(
  Object.values(copyMarks).map((mark) => [mark, null]),
);

function sameMoves(status: OfflineCopyStatus, moves: readonly OfflineMove[]): boolean {
  return (
    status.volumes.length === moves.length &&
    moves.every(({ volumeName, source, target }) =>
      status.volumes.some((one) => one.volumeName === volumeName && one.source === source && one.target === target),
    )
  );
}

/** Marks to take away so that agents stop; empty when none of this copy are left. A working agent is asked, not robbed. */
function clearing(input: OfflineInput, { id, volumes }: OfflineCopyStatus): { left: boolean; marks: ClaimMarks[] } {
  let left = false;
  const marks: ClaimMarks[] = [];
  for (const { target } of volumes) {
    const { pvc } = input.claim(target);
    const given = pvc?.metadata.annotations ?? {};
    const ours = given[copyMarks.id] === id || given[copyMarks.reportId] === id;
    if (!pvc || !ours || !hasCopyMarks(pvc)) continue;
    left = true;
    if (copyReportOf(pvc)?.phase !== 'Running') marks.push({ claim: target, annotations: ALL_AWAY });
    else if (given[copyMarks.source] !== undefined)
      marks.push({ claim: target, annotations: { [copyMarks.source]: null } });
  }
  return { left, marks };
}

/** A node that has begun to copy and does not answer may still write: only a human can know that it never will again. */
function silence(input: OfflineInput, { id, volumes }: OfflineCopyStatus): Obstacle | undefined {
  const ready = new Set(input.readyNodes());
  const commands: string[] = [];
  const nodes = new Set<string>();
  for (const { target, node } of volumes) {
    const { metadata } = input.claim(target).pvc ?? {};
    const given = metadata?.annotations ?? {};
    if (ready.has(node) || given[copyMarks.reportId] !== id || given[copyMarks.phase] !== 'Running') continue;
    const marks = Object.values(copyMarks).filter((mark) => given[mark] !== undefined);
    const away = marks.map((mark) => `${mark}-`).join(' ');
    commands.push(`kubectl annotate pvc ${target} -n ${metadata?.namespace ?? ''} ${away}`);
    nodes.add(node);
  }
  if (commands.length === 0) return undefined;
  const message = `Node ${[...nodes].join(', ')} has begun to copy (${sayMoves(volumes)}) and does not answer. It goes on when the node does; if that is gone for good, let it be forgotten: ${commands.join('; ')}`;
  return { reason: 'CopyNodeSilent', message };
}

/** Takes the copy back; the VM may start when every agent has stopped. */
function withdraw(input: OfflineInput, status: OfflineCopyStatus): OfflinePlan {
  const { left, marks } = clearing(input, status);
  if (!left) return { status: undefined, marks: [], provision: [] };
  const nodes = [...new Set(status.volumes.map(({ node }) => node))].join(', ');
  const message = `Waits for the copy of its volumes (${sayMoves(status.volumes)}) to end on ${nodes}`;
  return {
    status,
    obstacle: silence(input, status) ?? { reason: 'CopyEnding', message },
    marks,
    provision: [],
    requeueAfterMs: LOOK_AGAIN_MS,
  };
}

function held(status: OfflineCopyStatus | undefined, obstacle: Obstacle, more: Partial<OfflinePlan> = {}): OfflinePlan {
  return { status, obstacle, marks: [], provision: [], requeueAfterMs: LOOK_AGAIN_MS, ...more };
}

/** The next attempt, if nothing is in its way. */
function order(input: OfflineInput, attempts: number, nowMs: number): OfflinePlan {
  const { vm, moves } = input;
  const { obstacle, placement } = checkOffline(input);
  const before = vm.status?.offlineCopy;
  if (obstacle) return held(before, obstacle, { provision: placement.provision });
  const id = `${vm.metadata.uid}.${vm.metadata.generation ?? 0}.${nowMs.toString(36)}.${attempts}`;
  const volumes = moves.map((move) => ({ ...move, node: placement.nodes.get(move.volumeName) ?? '' }));
  const status: OfflineCopyStatus = { id, attempts, volumes };
  return held(status, { reason: 'Copying', message: `Copies volumes before the VM starts: ${sayMoves(moves)}` });
}

function afterFailure(
  input: OfflineInput,
  status: OfflineCopyStatus,
  failure: NonNullable<OfflineCopyStatus['failure']>,
  nowMs: number,
): OfflinePlan {
  const { left, marks } = clearing(input, status);
  const said = failure.message.replace(/\.$/, '');
  if (failure.permanent === true || status.attempts >= maxCopies) {
    const times = failure.permanent === true ? '' : ` ${status.attempts} times, the last time with`;
    const message = `Its volumes could not be copied (${sayMoves(input.moves)}):${times} ${said}. Remove the cause and set the volumes anew, set them back, or remove updateVolumesStrategy to start with the claims of the template as they are.`;
    const reason = failure.permanent === true ? 'CopyRefused' : 'RetriesExhausted';
    return held(status, { reason, message }, { marks, gaveUp: true });
  }
  const again = Date.parse(failure.at) + backoffMs(status.attempts - 1, FIRST_DELAY_MS, LONGEST_DELAY_MS);
  const message = `Attempt ${status.attempts} to copy its volumes failed: ${said}. Tries again at ${rfc3339(again)}`;
  const silent = left ? silence(input, status) : undefined;
  if (left || nowMs < again) return held(status, silent ?? { reason: 'CopyBackoff', message }, { marks });
  return order(input, status.attempts + 1, nowMs);
}

interface Look {
  readonly volumes: OfflineCopyStatus['volumes'];
  readonly marks: readonly ClaimMarks[];
  readonly failure?: NonNullable<OfflineCopyStatus['failure']>;
}

/** What the claims say about an ordered copy, and orders that are still to be given. */
function look(input: OfflineInput, { id, volumes }: OfflineCopyStatus, nowMs: number): Look {
  const marks: ClaimMarks[] = [];
  const ready = new Set(input.readyNodes());
  const seen: OfflineCopyStatus['volumes'] = [];
  for (const { phase: _phase, progress: _progress, ...volume } of volumes) {
    const { target, source, node, volumeName } = volume;
    const fail = (message: string, permanent = false): Look => ({
      volumes,
      marks: [],
      failure: { at: rfc3339(nowMs), message: `volume ${volumeName}: ${message}`, ...(permanent ? { permanent } : {}) },
    });
    const { pvc } = input.claim(target);
    if (!pvc || pvc.metadata.deletionTimestamp !== undefined) return fail(`PVC ${target} does not exist`);
    if (!input.claim(source).pvc) return fail(`PVC ${source}, which has what the guest wrote last, does not exist`);
    const ordered = copyOrderOf(pvc);
    const report = copyReportOf(pvc);
    if (ordered ? ordered.id !== id : hasCopyMarks(pvc)) return fail(`PVC ${target} is being filled by another copy`);
    if (!ordered) {
      const bytes = input.vm.status?.lastDiskBytes?.[volumeName];
      const size = bytes === undefined ? {} : { [copyMarks.bytes]: String(bytes) };
      const annotations = { [copyMarks.source]: source, [copyMarks.id]: id, [copyMarks.node]: node, ...size };
      marks.push({ claim: target, annotations });
    }
    const mine = report?.id === id ? report : undefined;
    // Nothing has begun there, and nothing will: an order is taken up by a write of the claim.
    if (!mine && !ready.has(node)) return fail(`node ${node} does not answer`);
    if (mine?.phase === 'Failed' || mine?.phase === 'Refused')
      return fail(mine.message ?? 'no reason given', mine.phase === 'Refused');
    const { phase, progress } = mine ?? {};
    seen.push({ ...volume, ...(phase ? { phase } : {}), ...(progress === undefined ? {} : { progress }) });
  }
  return { volumes: seen, marks };
}

function underWay(input: OfflineInput, status: OfflineCopyStatus, nowMs: number): OfflinePlan {
  if (status.failure) return afterFailure(input, status, status.failure, nowMs);
  const { volumes, marks, failure } = look(input, status, nowMs);
  if (failure) return afterFailure(input, { ...status, failure }, failure, nowMs);
  const next: OfflineCopyStatus = { ...status, volumes };
  if (volumes.every(({ phase }) => phase === 'Succeeded')) {
    const copied = Object.fromEntries(volumes.map(({ volumeName, target }) => [volumeName, target]));
    return { status: next, copied, marks: [], provision: [], requeueAfterMs: 0 };
  }
  const shares = volumes.map(
    ({ volumeName, phase, progress }) => `${volumeName} ${phase === undefined ? 'waits' : (progress ?? '0.0%')}`,
  );
  const message = `Copies volumes before the VM starts (${sayMoves(volumes)}): ${shares.join(', ')}`;
  return held(next, silence(input, next) ?? { reason: 'Copying', message }, { marks });
}

/** The next step of the copy of a stopped VM's volumes, and whether the VM may start. */
export function decideOffline(input: OfflineInput, nowMs: number): OfflinePlan {
  const status = input.vm.status?.offlineCopy;
  if (status && !sameMoves(status, input.moves)) return withdraw(input, status);
  if (status) return underWay(input, status, nowMs);
  return input.moves.length === 0 ? { status: undefined, marks: [], provision: [] } : order(input, 1, nowMs);
}
