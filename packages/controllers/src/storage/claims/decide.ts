import { names, populationKind, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Node, PersistentVolume, PersistentVolumeClaim, StorageClass, Stored } from '@godwit/api';
import { compareText } from '@godwit/core/compare-text';
import { quantityBytes } from '@godwit/core/quantity';
import { normal, warning } from '../../virt/planned-event.ts';
import type { PlannedEvent } from '../../virt/planned-event.ts';
import { storageMarks } from '../marks.ts';
import { isOurs, readyNodes, waitsForConsumer } from '../storage-class.ts';
import { desiredVolume, refusal } from './desired-volume.ts';
import { bestMatch, mismatch, refersTo, requestedBytes } from './matching.ts';

export interface ClaimSeen {
  readonly claim: Stored<PersistentVolumeClaim>;
  /** The volume that `spec.volumeName` names, if it exists. */
  readonly volume: Stored<PersistentVolume> | undefined;
  /** Volumes whose claimRef means this claim. */
  readonly reserved: readonly Stored<PersistentVolume>[];
  /** Volumes without a claimRef. */
  readonly available: readonly Stored<PersistentVolume>[];
  /** The class that `spec.storageClassName` names, if it exists. */
  readonly storageClass: StorageClass | undefined;
  readonly defaultClassName: string | undefined;
  readonly nodes: readonly Node[];
}

/** One write at a time; each brings the claim back, so the next one is decided on what is true by then. */
export type ClaimStep =
  | { readonly do: 'assign-class'; readonly className: string }
  /** For a claim that is to be filled before anybody uses it. */
  | { readonly do: 'select-node'; readonly node: string }
  /** Writes the claim into a volume's claimRef. */
  | { readonly do: 'take'; readonly volume: Stored<PersistentVolume> }
  | { readonly do: 'provision'; readonly volume: PersistentVolume }
  /** Lets another node create a volume of the shared pool. */
  | { readonly do: 'move-provisioning'; readonly volume: Stored<PersistentVolume>; readonly node: string }
  /** Writes the volume's name and the bind-completed mark into the claim. */
  | { readonly do: 'bind'; readonly volumeName: string; readonly byController: boolean }
  | { readonly do: 'ask-expansion'; readonly volume: Stored<PersistentVolume>; readonly size: string }
  | { readonly do: 'finish-expansion'; readonly volume: Stored<PersistentVolume>; readonly size: string };

export interface ClaimPlan {
  readonly step?: ClaimStep;
  readonly status: NonNullable<PersistentVolumeClaim['status']>;
  readonly event?: PlannedEvent;
}

export function decideClaim(seen: ClaimSeen, nowMs: number): ClaimPlan {
  const { claim } = seen;
  const old = claim.status ?? {};
  if (claim.metadata.deletionTimestamp !== undefined && old.phase !== 'Bound') return { status: old };
  return (claim.spec.volumeName ?? '') === '' ? decideUnbound(seen) : decideNamed(seen, nowMs);
}

function pending(seen: ClaimSeen, rest: Omit<ClaimPlan, 'status'> = {}): ClaimPlan {
  return { status: { ...seen.claim.status, phase: 'Pending' }, ...rest };
}

function lost(seen: ClaimSeen, reason: string, message: string): ClaimPlan {
  const { capacity: _capacity, accessModes: _modes, ...rest } = seen.claim.status ?? {};
  return { status: { ...rest, phase: 'Lost' }, event: warning(reason, message) };
}

/** The claim names its volume: bound, about to be, or bound by name by its author. */
function decideNamed(seen: ClaimSeen, nowMs: number): ClaimPlan {
  const { claim, volume } = seen;
  const name = claim.spec.volumeName ?? '';
  const wasBound = claim.metadata.annotations?.[names.bindCompletedAnnotation] === 'yes';
  if (!volume) {
    if (wasBound)
      return lost(seen, 'ClaimLost', `Bound claim has lost its PersistentVolume "${name}". Data on it is lost!`);
    return pending(seen, { event: normal('FailedBinding', `volume "${name}" does not exist yet`) });
  }
  const ref = volume.spec.claimRef;
  if (ref === undefined || (refersTo(ref, claim) && ref.uid === undefined)) {
    const why = mismatch(volume, claim);
    if (why !== undefined) {
      return pending(seen, { event: warning('VolumeMismatch', `Cannot bind to requested volume "${name}": ${why}`) });
    }
    return pending(seen, { step: { do: 'take', volume } });
  }
  if (!refersTo(ref, claim)) {
    const message = `volume "${name}" is already bound to the claim ${ref.namespace}/${ref.name}`;
    if (wasBound) return lost(seen, 'ClaimMisbound', message);
    return pending(seen, { event: warning('FailedBinding', message) });
  }
  if (!wasBound) return pending(seen, { step: { do: 'bind', volumeName: name, byController: false } });
  return decideBound(seen, volume, nowMs);
}

function decideBound(seen: ClaimSeen, volume: Stored<PersistentVolume>, nowMs: number): ClaimPlan {
  const { claim, storageClass } = seen;
  const { storage } = volume.spec.capacity;
  const conditions = claim.status?.conditions ?? [];
  const bound = (changed: readonly Condition[]): ClaimPlan['status'] => ({
    ...claim.status,
    phase: 'Bound',
    accessModes: volume.spec.accessModes,
    capacity: { storage },
    ...(changed.length > 0 || claim.status?.conditions ? { conditions: [...changed] } : {}),
  });
  const wanted = requestedBytes(claim);
  const asked = volume.metadata.annotations?.[storageMarks.expandTo];
  const grown = volume.metadata.annotations?.[storageMarks.expandedTo];
  if (grown !== undefined && quantityBytes(grown) > quantityBytes(storage)) {
    return { status: bound(conditions), step: { do: 'finish-expansion', volume, size: grown } };
  }
  if (wanted <= quantityBytes(storage)) {
    const resized = conditions.some((condition) => condition.type === 'Resizing');
    return {
      status: bound(withoutCondition(conditions, 'Resizing')),
      ...(resized ? { event: normal('VolumeResizeSuccessful', `Resized volume to ${storage}`) } : {}),
    };
  }
  const size = claim.spec.resources?.requests?.storage ?? '0';
  if (!storageClass?.allowVolumeExpansion || volume.metadata.annotations?.[storageMarks.provisioned] === undefined) {
    const message = `storage class "${claim.spec.storageClassName ?? ''}" does not allow volumes to grow`;
    return { status: bound(conditions), event: warning('ExternalExpanding', message) };
  }
  const resizing: Condition = { type: 'Resizing', status: 'True', reason: 'Resizing', message: `growing to ${size}` };
  return {
    status: bound(withCondition(conditions, resizing, nowMs)),
    ...(asked === size ? {} : { step: { do: 'ask-expansion', volume, size } as const }),
  };
}

/** No volume yet: one that is being made for us, a free one that fits, or a new one. */
function decideUnbound(seen: ClaimSeen): ClaimPlan {
  const { claim, storageClass } = seen;
  const mine = seen.reserved.toSorted((a, b) => compareText(a.metadata.name, b.metadata.name))[0];
  if (mine) return decideReserved(seen, mine);
  const className = claim.spec.storageClassName;
  if (className === undefined && seen.defaultClassName !== undefined) {
    return pending(seen, { step: { do: 'assign-class', className: seen.defaultClassName } });
  }
  const selectedNode = claim.metadata.annotations?.[names.selectedNodeAnnotation];
  if (waitsForConsumer(storageClass) && selectedNode === undefined) {
    const node = bindsAtOnce(claim) ? readyNodes(seen.nodes)[0] : undefined;
    if (node !== undefined) return pending(seen, { step: { do: 'select-node', node } });
    return pending(seen, {
      event: normal('WaitForFirstConsumer', 'waiting for first consumer to be created before binding'),
    });
  }
  const free = bestMatch(claim, seen.available, hostnameOf(seen.nodes, selectedNode));
  if (free) return pending(seen, { step: { do: 'take', volume: free } });
  if (className === undefined || className === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return pending(seen, { event: normal('FailedBinding', message) });
  }
  if (!storageClass) {
    const message = `storageclass.storage.k8s.io "${className}" not found`;
    return pending(seen, { event: warning('ProvisioningFailed', message) });
  }
  if (!isOurs(storageClass)) {
    const message = `Waiting for a volume to be created by the external provisioner '${storageClass.provisioner}'`;
    return pending(seen, { event: normal('ExternalProvisioning', message) });
  }
  return decideProvisioning(seen, storageClass, selectedNode);
}

/** CDI's "force bind": the presence of the mark counts, and only on claims that somebody fills. */
function bindsAtOnce(claim: PersistentVolumeClaim): boolean {
  const mark = claim.metadata.annotations?.[names.bindImmediatelyAnnotation];
  return mark !== undefined && populationKind(claim) !== undefined;
}

function decideProvisioning(seen: ClaimSeen, storageClass: StorageClass, selectedNode: string | undefined): ClaimPlan {
  const why = refusal(seen.claim, storageClass);
  if (why !== undefined) return pending(seen, { event: warning('ProvisioningFailed', why) });
  const nodeName = selectedNode ?? readyNodes(seen.nodes)[0];
  const node = seen.nodes.find((one) => one.metadata.name === nodeName);
  if (!node) {
    const message =
      selectedNode === undefined ? 'no node is ready to create the volume' : `node "${selectedNode}" does not exist`;
    return pending(seen, { event: warning('ProvisioningFailed', message) });
  }
  return pending(seen, {
    step: { do: 'provision', volume: desiredVolume(seen.claim, storageClass, node) },
    event: normal('Provisioning', `Node "${nodeName}" is to create a volume for this claim`),
  });
}

function decideReserved(seen: ClaimSeen, volume: Stored<PersistentVolume>): ClaimPlan {
  const marks = volume.metadata.annotations ?? {};
  if (volume.metadata.deletionTimestamp !== undefined) return pending(seen);
  if (marks[storageMarks.provisioned] === undefined) {
    const why = mismatch(volume, seen.claim);
    if (why !== undefined) {
      const message = `Volume "${volume.metadata.name}" is reserved for this claim, but ${why}`;
      return pending(seen, { event: warning('VolumeMismatch', message) });
    }
    if (volume.spec.claimRef?.uid === undefined) return pending(seen, { step: { do: 'take', volume } });
  } else if (marks[storageMarks.provisioned] !== 'true') {
    return decideWaiting(seen, volume);
  }
  return pending(seen, {
    step: { do: 'bind', volumeName: volume.metadata.name, byController: true },
    ...(marks[storageMarks.provisioned] === 'true'
      ? { event: normal('ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`) }
      : {}),
  });
}

/** The agent has not created the bytes yet. In the shared pool any other node can, when that one is gone. */
function decideWaiting(seen: ClaimSeen, volume: Stored<PersistentVolume>): ClaimPlan {
  const marks = volume.metadata.annotations ?? {};
  const ready = readyNodes(seen.nodes);
  const node = marks[storageMarks.provisionNode] ?? '';
  const error = marks[storageMarks.provisionError];
  const other = ready[0];
  if (!ready.includes(node) && other !== undefined && marks[names.poolAnnotation] === 'shared') {
    return pending(seen, { step: { do: 'move-provisioning', volume, node: other } });
  }
  if (error !== undefined) {
    return pending(seen, {
      event: warning('ProvisioningFailed', `Node "${node}" failed to create volume ${volume.metadata.name}: ${error}`),
    });
  }
  if (!ready.includes(node)) {
    return pending(seen, {
      event: warning('ProvisioningFailed', `Node "${node}", which holds the volume, is not ready`),
    });
  }
  return pending(seen);
}

function hostnameOf(nodes: readonly Node[], nodeName: string | undefined): string | undefined {
  const node = nodes.find((one) => one.metadata.name === nodeName);
  return node?.metadata.labels?.[names.hostnameLabel] ?? nodeName;
}
