import { findCondition, isTrue, withoutCondition } from '@godwit/api';
import type { VmiMigrationState } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { kindOf } from '../virt/facts.ts';
import { normal, warning } from '../virt/planned-event.ts';
import { lostGuest } from './eligible.ts';
import { classOfRecord } from './failures.ts';
import { lostNode, lostPartner, silence } from './lost-nodes.ts';
import { agentsEngaged, closedRecord, handOver, ownRecord, withRecord } from './record.ts';
import { isInPlace, lostTargetNode, lostTargetPod, sourcePodOf } from './scheduling.ts';
import { enter, fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';
import { remainingMs } from './timing.ts';
import { awaitsVerification } from './verified.ts';

/** A silent agent wakes nobody. */
const LOOK_AGAIN_MS = 5_000;

/** Hands the VMI to the node agents in one write; the next phase begins when the record shows. */
export function decideScheduled(seen: SeenMigration): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  const state = ownRecord(seen);
  if (state?.migrationUid === seen.migration.metadata.uid && state.targetNode) return enter('PreparingTarget');
  const inPlace = isInPlace(seen);
  const down = inPlace ? undefined : (lostTargetPod(seen.targetPod) ?? lostTargetNode(seen));
  if (down) return fail(down.reason, down.message);
  const source = sourcePodOf(seen);
  if (!source) return fail('SourcePodDown', 'The pod of the running guest is gone');
  if (inPlace && (vmi.status?.migratedVolumes ?? []).length === 0) {
    return fail('VolumesChangeWithdrawn', 'The volumes are not to be changed any more');
  }
  const target = inPlace ? 'InPlace' : seen.targetPod;
  if (!target) return fail('TargetPodGone', 'The target pod is gone');
  return wait('HandingOver', 'Hands the VMI over to the node agents', {
    vmi: handOver(seen, vmi, source, target),
    events: [normal('SuccessfulHandOver', 'Migration target pod is ready for preparation by the node agent')],
  });
}

function withoutRecord(seen: SeenMigration): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  const other = seen.vmi?.status?.migrationState?.migrationUid;
  return other === undefined || other === seen.migration.metadata.uid
    ? fail('RecordCleared', 'The migration record of the VMI was cleared')
    : fail('RecordTakenOver', 'Another migration has taken over the VMI');
}

/** The source agent's last figures come by another way than the target's report; waited for a moment, never for long. */
const FIGURES_MS = 2_500;

/** Milliseconds that the last figures may still take; undefined when they are there or are not to be expected. */
function figuresDueMs({ migration }: SeenMigration, state: VmiMigrationState, nowMs: number): number | undefined {
  const stage = migration.status?.progress?.stage;
  const known = stage === undefined || stage === 'Done' || stage === 'Failed';
  if (kindOf(migration) === 'target' || (known && !awaitsVerification(migration))) return undefined;
  const leftMs = Date.parse(state.endTimestamp ?? '') + FIGURES_MS - nowMs;
  // More than that, and the clocks of the two nodes differ too much to tell.
  return leftMs > 0 && leftMs <= 2 * FIGURES_MS ? leftMs : undefined;
}

/** The record's own end, whoever wrote it. Undefined while the migration goes on. */
export function endOfRecord(seen: SeenMigration, state: VmiMigrationState, nowMs: number): Step | undefined {
  if (state.failed)
    return fail(
      classOfRecord(state).name,
      state.failureReason ?? 'The node agents report that the migration has failed',
    );
  const { vmi } = seen;
  if (!state.completed || !vmi) return undefined;
  const conditions = vmi.status?.conditions;
  const pending = ['HotVCPUChange', 'HotMemoryChange', 'MigrationRequired'].find((type) => isTrue(conditions, type));
  if (pending) return wait(pending, `Waits for condition ${pending} of the VMI to go`);
  if (needsTidying(seen, vmi, state))
    return wait('Finishing', 'Takes the finished volume change off the VMI', { vmi: tidied(vmi) });
  const dueMs = figuresDueMs(seen, state, nowMs);
  if (dueMs !== undefined)
    return wait('AwaitingFigures', 'The guest runs at its target; waits for the last figures of its source', {
      requeueAfterMs: dueMs,
    });
  return enter('Succeeded', { events: [normal('SuccessfulMigration', 'The migration has succeeded')] });
}

/** The agent removes these before it reports completion; should it have died in between, nobody else would. */
function needsTidying(seen: SeenMigration, vmi: Instance, state: VmiMigrationState): boolean {
  const announced = vmi.status?.migratedVolumes ?? [];
  if (kindOf(seen.migration) === 'source') return announced.length > 0;
  const ours =
    announced.length > 0 &&
    jsonEqual(
      announced.map((one) => one.volumeName),
      (state.volumes ?? []).map((one) => one.volumeName),
    );
  return ours || (announced.length === 0 && findCondition(vmi.status?.conditions, 'VolumesChange')?.status === 'True');
}

export function tidied(vmi: Instance): Instance {
  const { migratedVolumes: _done, ...status } = vmi.status ?? {};
  return { ...vmi, status: { ...status, conditions: [...withoutCondition(status.conditions ?? [], 'VolumesChange')] } };
}

/** What a node says hinders it, behind what is waited for. */
function hindrance({ vmi }: SeenMigration): string {
  const told = findCondition(vmi?.status?.conditions, 'MigrationHindered');
  return told?.message ? `. ${told.message}` : '';
}

function closeBeforeStart(
  seen: SeenMigration,
  state: VmiMigrationState,
  reason: string,
  message: string,
  nowMs: number,
): Step {
  // The cast is safe: a record exists only on a VMI.
  const vmi = seen.vmi as Instance;
  return wait(reason, message, { vmi: withRecord(vmi, closedRecord(state, seen.migration, message, false, nowMs)) });
}

/** Asks the agents to abort; they confirm through the record. */
export function requestAbort(seen: SeenMigration, state: VmiMigrationState, reason: string, message: string): Step {
  if (state.abortRequested && state.abortStatus === 'Failed') {
    const refused = `${message}; node ${state.sourceNode ?? ''} could not abort any more and carries on`;
    return wait('AbortRefused', refused, { events: [warning('FailedAbortMigration', refused)] });
  }
  if (state.abortRequested) {
    const lost = lostNode(seen, state.sourceNode);
    const whom = `waits for node ${state.sourceNode ?? ''} to confirm that the guest stays there`;
    return wait(reason, `${message}; ${whom}${lost === undefined ? '' : ` (${lost})`}`);
  }
  // The cast is safe: a record exists only on a VMI.
  return wait(reason, message, { vmi: withRecord(seen.vmi as Instance, { ...state, abortRequested: true }) });
}

/** PreparingTarget, TargetReady and Running: follow the record, within deadlines. */
export function decideHandedOff(seen: SeenMigration, nowMs: number): Step {
  const { migration, timeouts } = seen;
  const state = ownRecord(seen);
  if (!state) return withoutRecord(seen);
  const lost = state.completed ? undefined : lostGuest(seen);
  if (lost) return lost;
  const phase = migration.status?.phase;
  if (phase === 'Running') {
    const ended = endOfRecord(seen, state, nowMs);
    if (ended) return ended;
    const quiet = silence(seen, state, nowMs);
    return quiet
      ? wait(quiet.reason, quiet.message, { requeueAfterMs: LOOK_AGAIN_MS })
      : wait('Migrating', 'The guest is being moved', { requeueAfterMs: LOOK_AGAIN_MS });
  }
  if (state.failed) return fail(classOfRecord(state).name, state.failureReason ?? 'The migration has failed');
  const down = isInPlace(seen) || kindOf(migration) === 'source' ? undefined : lostTargetPod(seen.targetPod);
  if (phase === 'PreparingTarget') {
    if (agentsEngaged(state)) return enter('TargetReady');
    const gone = down ?? lostPartner(seen, state);
    if (gone) return closeBeforeStart(seen, state, gone.reason, gone.message, nowMs);
    const leftMs = remainingMs(migration, timeouts.prepareMs, nowMs);
    const message = `Node ${state.targetNode ?? state.targetState?.node ?? ''} did not prepare the target in time${hindrance(seen)}`;
    if (leftMs <= 0) return closeBeforeStart(seen, state, 'PrepareTimeout', message, nowMs);
    return wait('PreparingTarget', `Waits for node ${state.targetNode ?? ''} to prepare the target${hindrance(seen)}`, {
      requeueAfterMs: leftMs,
    });
  }
  if (state.startTimestamp !== undefined) return enter('Running');
  // A move that never starts copying (nothing to do) may end without having been seen running.
  if (state.completed) return enter('Running');
  const gone = down ?? lostPartner(seen, state);
  if (gone) return requestAbort(seen, state, gone.reason, gone.message);
  const leftMs = remainingMs(migration, timeouts.startMs, nowMs);
  if (leftMs <= 0)
    return requestAbort(
      seen,
      state,
      'StartTimeout',
      `Node ${state.sourceNode ?? ''} did not start the migration in time${hindrance(seen)}`,
    );
  return wait('StartingSource', `Waits for node ${state.sourceNode ?? ''} to start the migration${hindrance(seen)}`, {
    requeueAfterMs: leftMs,
  });
}
