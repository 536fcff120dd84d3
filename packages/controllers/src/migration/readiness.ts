import { findCondition } from '@godwit/api';
import type { Pod } from '@godwit/api';
import { normal, warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import { renderLauncherPod } from '../virtual-machine-instance/render-launcher-pod.ts';
import { compatibleNodeLabels, isProcessorLabel } from './cpu.ts';
import { chooseMethod } from './in-place.ts';
import { notEligible } from './eligible.ts';
import { refusedTooLong } from './refused-pod.ts';
import { fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';
import { limitOf, remainingMs, timeoutAnnotations, waitingSince } from './timing.ts';

const POLL_MS = 5_000;
const CONDITION_SETTLES_MS = 10_000;

/** What a migration lacks before it may ask for a slot, or what it would do with one. */
export type Readiness =
  | { readonly held: Step }
  | { readonly held?: undefined; readonly method: 'InPlace'; readonly provision: readonly string[] }
  | {
      readonly held?: undefined;
      readonly method: 'OtherNode';
      readonly createPod: Pod;
      /** Nodes that could take the guest in now, best first; never empty. */
      readonly candidates: readonly string[];
    };

/** Why the guest may not leave its node, given that it would have to. */
function notMovable(seen: SeenMigration, vmi: Instance, nowMs: number): Step | undefined {
  const blocked = findCondition(vmi.status?.conditions, 'LiveMigratable');
  if (blocked?.status !== 'False') return undefined;
  const message = `${blocked.reason ?? ''}: ${blocked.message ?? ''}`;
  // The node agent looks again after volumes were announced; what it said before that is not its last word.
  const leftMs = remainingMs(seen.migration, CONDITION_SETTLES_MS, nowMs);
  return (vmi.status?.migratedVolumes ?? []).length > 0 && leftMs > 0
    ? wait('NotLiveMigratable', message, { requeueAfterMs: leftMs })
    : fail('NotLiveMigratable', message);
}

function withoutProcessor(pod: Pod): Pod {
  const selector = Object.entries(pod.spec.nodeSelector ?? {}).filter(([key]) => !isProcessorLabel(key));
  return { ...pod, spec: { ...pod.spec, nodeSelector: Object.fromEntries(selector) } };
}

/** Says that no node can take the guest in, within KubeVirt's limit for pods that fit no node. */
function noCandidate(seen: SeenMigration, pod: Pod, why: string, nowMs: number): Step {
  const { migration, timeouts } = seen;
  const limitMs = limitOf(migration, timeoutAnnotations.unschedulablePod, timeouts.unschedulablePodMs);
  const leftMs = (waitingSince(migration, 'NoCandidateNode') ?? nowMs) + limitMs - nowMs;
  const message = `No candidate node: ${why}`;
  if (leftMs <= 0) return fail('NoCandidateNode', `${message}; gave up after ${limitMs / 1000} s`);
  const vmiEvents: PlannedEvent[] =
    seen.candidates(withoutProcessor(pod)).fitting.length > 0
      ? [warning('NoSuitableNodesForHostModelMigration', `No other node has the CPU that the guest runs on: ${why}`)]
      : [];
  return wait('NoCandidateNode', message, {
    requeueAfterMs: Math.min(leftMs, POLL_MS),
    events: [warning('migrationTargetPodUnschedulable', message)],
    vmiEvents,
  });
}

/** Looks for nodes that could take the target pod. */
export function placeable(seen: SeenMigration, createPod: Pod, nowMs: number): Readiness {
  const { fitting, why } = seen.candidates(createPod);
  return fitting.length > 0
    ? { method: 'OtherNode', createPod, candidates: fitting }
    : { held: noCandidate(seen, createPod, why, nowMs) };
}

/** Everything that must be true of a move inside the cluster before it takes a slot, and its method. */
export function readiness(seen: SeenMigration, vmi: Instance, nowMs: number): Readiness {
  const held = notEligible(seen, vmi, nowMs);
  if (held) return { held };
  const choice = chooseMethod(seen, vmi);
  if (choice.method === 'undecided') {
    const left = remainingMs(seen.migration, seen.timeouts.pendingPodMs, nowMs);
    return {
      held:
        left <= 0
          ? fail('TargetVolumeNotBound', choice.message)
          : wait('TargetVolumeNotBound', choice.message, { requeueAfterMs: Math.min(left, POLL_MS) }),
    };
  }
  if (choice.method === 'InPlace') return choice;
  const stuck = notMovable(seen, vmi, nowMs);
  if (stuck) return { held: stuck };
  const createPod = renderLauncherPod(vmi, {
    migration: seen.migration,
    apartFromOwnPods: true,
    requiredNodeLabels: compatibleNodeLabels(vmi, seen.sourceNode?.metadata.labels ?? {}),
  });
  return placeable(seen, createPod, nowMs);
}

export function targetPodStep(seen: SeenMigration, createPod: Pod, nowMs: number): Step {
  const name = createPod.metadata.name ?? '';
  const refused = refusedTooLong(seen, nowMs);
  if (refused) return refused;
  return wait('CreatingTargetPod', `Creates target pod ${name}`, {
    createPod,
    requeueAfterMs: POLL_MS,
    events: [normal('SuccessfulCreate', `Created migration target pod ${name}`)],
  });
}
