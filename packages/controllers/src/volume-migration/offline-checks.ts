import { hasCopyMarks, isPopulated, names, requestFor, usableBytes } from '@godwit/api';
import { formatBytesQuantity } from '@godwit/core/quantity';
import { claimInfo } from '../virt/facts.ts';
import { reachFrom } from '../virt/reachable.ts';
import type { OfflineInput } from './offline-copy.ts';
import type { OfflineMove } from './offline.ts';
import { sayAll } from './preflight/finding.ts';
import type { ChangedVolume } from './preflight/finding.ts';
import { targets } from './preflight/targets.ts';

/** What keeps a copy from beginning; each text names the object, the field and the remedy. */
export interface Obstacle {
  readonly reason: string;
  readonly message: string;
}

/** Where each volume is copied, and claims that have to be made on a node first. */
export interface Placement {
  readonly nodes: ReadonlyMap<string, string>;
  readonly provision: readonly { readonly claim: string; readonly node: string }[];
}

function changedOf(input: OfflineInput, move: OfflineMove): ChangedVolume {
  const volume = input.vm.spec.template.spec.volumes?.find((one) => one.name === move.volumeName);
  const toDataVolume = volume?.dataVolume !== undefined;
  return { name: move.volumeName, from: move.source, to: move.target, toDataVolume };
}

function badTarget(input: OfflineInput, move: OfflineMove): Obstacle | undefined {
  const findings = targets(input, [changedOf(input, move)]);
  const [first] = findings;
  return first && { reason: first.reason, message: sayAll(findings) };
}

/** A stopped VM may have a claim in its template that is the source of this one; a guest or a pod may not. */
function inUse(input: OfflineInput, { source, target, volumeName }: OfflineMove): Obstacle | undefined {
  const [user] = input.usersOf(target);
  if (user !== undefined) {
    const message = `PVC ${target}, metadata.name: volume ${volumeName} is to be copied there, but ${user} uses it. Name a claim that nothing else uses.`;
    return { reason: 'TargetInUse', message };
  }
  const reader = input.usersOf(source).find((one) => !one.startsWith('VirtualMachine '));
  if (reader === undefined) return undefined;
  const message = `PVC ${source}, metadata.name: volume ${volumeName} cannot be copied while ${reader} uses it. Wait for it to end, or end it.`;
  return { reason: 'SourceInUse', message };
}

function tooSmall(input: OfflineInput, { source, target, volumeName }: OfflineMove): Obstacle | undefined {
  const needed =
    input.vm.status?.lastDiskBytes?.[volumeName] ?? usableBytes(claimInfo(source, input.claim(source).pvc));
  const info = claimInfo(target, input.claim(target).pvc);
  const offered = usableBytes(info);
  if (needed === undefined || offered === undefined || offered >= needed) return undefined;
  return {
    reason: 'TargetTooSmall',
    message: `PVC ${target}, spec.resources.requests.storage: it offers ${offered} bytes, volume ${volumeName} has ${needed}. Set it to at least ${formatBytesQuantity(requestFor(needed, info))}, or name a bigger claim.`,
  };
}

function marked(input: OfflineInput, { target }: OfflineMove): Obstacle | undefined {
  const { pvc } = input.claim(target);
  if (!pvc || !hasCopyMarks(pvc)) return undefined;
  const message = `PVC ${target}, metadata.annotations: another copy into it has not been cleared away yet. Wait, or remove its annotations godwit.dev/copy-* once its node is known to be dead.`;
  return { reason: 'TargetInUse', message };
}

function swapped(input: OfflineInput, { target }: OfflineMove): Obstacle | undefined {
  const other = input.moves.find((one) => one.source === target);
  const kept = Object.entries(input.vm.status?.lastVolumes ?? {}).find(
    ([volume, claim]) => claim === target && input.vm.spec.template.spec.volumes?.some((one) => one.name === volume),
  );
  if (!other && !kept) return undefined;
  const volume = other?.volumeName ?? kept?.[0] ?? '';
  const message = `PVC ${target}, metadata.name: it has what the guest wrote last of volume ${volume}. Name a claim that holds no data of this VM.`;
  return { reason: 'TargetHoldsData', message };
}

function badSource(input: OfflineInput, { source, target, volumeName }: OfflineMove): Obstacle | undefined {
  const { pvc } = input.claim(source);
  if (!pvc)
    return {
      reason: 'SourceNotFound',
      message: `PVC ${source}, metadata.name: it has the data of volume ${volumeName} and does not exist. Restore it, or remove updateVolumesStrategy to start with PVC ${target} as it is.`,
    };
  if (isPopulated(pvc)) return undefined;
  const failed = pvc.metadata.annotations?.[names.populationPhaseAnnotation] === 'Failed';
  return {
    reason: 'SourceStillFilled',
    message: failed
      ? `PVC ${source}, metadata.annotations["${names.populationPhaseAnnotation}"]: filling it has failed, and it has the data of volume ${volumeName}. Fill it anew, or remove updateVolumesStrategy to start with PVC ${target} as it is.`
      : `PVC ${source}: it is still being filled; volume ${volumeName} is copied when that has ended.`,
  };
}

/** The first node, in a fixed order, that reaches the source and reaches, or can be given, the target. */
function nodeFor(input: OfflineInput, { source, target }: OfflineMove): string | undefined {
  const [from, to] = [input.claim(source), input.claim(target)];
  const ready = input.readyNodes();
  const preferred = [
    ...ready.filter(
      (node) =>
        reachFrom(to, node) === 'ready' && to.pvc?.metadata.annotations?.[names.selectedNodeAnnotation] === node,
    ),
    ...ready,
  ];
  return preferred.find(
    (node) => reachFrom(from, node) === 'ready' && ['ready', 'provision'].includes(reachFrom(to, node)),
  );
}

function noNode(input: OfflineInput, { source, target, volumeName }: OfflineMove): Obstacle {
  const where = (claim: string): string => {
    const nodes = input
      .readyNodes()
      .filter((node) => ['ready', 'provision'].includes(reachFrom(input.claim(claim), node)));
    return nodes.length === 0 ? 'no node that is ready' : nodes.join(', ');
  };
  return {
    reason: 'NoCommonNode',
    message: `PVC ${target}, spec.storageClassName: no node that is ready reaches both it (${where(target)}) and PVC ${source} (${where(source)}), so volume ${volumeName} cannot be copied while the VM is stopped. Name a claim of shared storage or of the source's node, or set the claims back, start the VM and change them while it runs.`,
  };
}

/** A claim that is bound has bytes only when its provisioner and whoever fills it have finished. */
function unready(input: OfflineInput, { target, volumeName }: OfflineMove): Obstacle | undefined {
  const { pvc } = input.claim(target);
  if (pvc?.status?.phase !== 'Bound')
    return {
      reason: 'TargetNotBound',
      message: `PVC ${target}, status.phase: it is not bound to a volume yet; volume ${volumeName} is copied when it is.`,
    };
  if (isPopulated(pvc)) return undefined;
  return {
    reason: 'TargetStillFilled',
    message: `PVC ${target}: it is still being filled; volume ${volumeName} is copied when that has ended.`,
  };
}

/** Whether the copy may begin now; if not, why, and what has to be made first. */
export function checkOffline(input: OfflineInput): {
  readonly obstacle?: Obstacle;
  readonly placement: Placement;
} {
  const nodes = new Map<string, string>();
  const provision: { claim: string; node: string }[] = [];
  const found = (obstacle: Obstacle) => ({ obstacle, placement: { nodes, provision: [] } });
  for (const move of input.moves)
    for (const check of [badSource, badTarget, swapped, inUse, marked, tooSmall]) {
      const obstacle = check(input, move);
      if (obstacle) return found(obstacle);
    }
  for (const move of input.moves) {
    const node = nodeFor(input, move);
    if (node === undefined) return found(noNode(input, move));
    nodes.set(move.volumeName, node);
    const { pvc } = input.claim(move.target);
    const chosen = pvc?.metadata.annotations?.[names.selectedNodeAnnotation];
    if (pvc && pvc.status?.phase !== 'Bound' && chosen === undefined) provision.push({ claim: move.target, node });
  }
  for (const move of input.moves) {
    const obstacle = unready(input, move);
    if (obstacle) return { obstacle, placement: { nodes, provision } };
  }
  return { placement: { nodes, provision } };
}
