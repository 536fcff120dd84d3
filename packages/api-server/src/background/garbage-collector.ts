import type { KubeObject, OwnerReference } from '@godwit/api';
import type { Entry } from '@godwit/store';
import type { ServedKind } from '../kinds/served-kind.ts';
import { storedObject } from '../objects/object-reader.ts';
import { dropFinalizer, modifyQuietly, removeQuietly } from './parts.ts';
import type { BackgroundLoop, BackgroundParts } from './parts.ts';
import { systemUser } from './system-user.ts';
import { WorkQueue } from './work-queue.ts';

const USER = systemUser('generic-garbage-collector');
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

interface Found {
  readonly kind: ServedKind;
  readonly object: KubeObject;
}

function isWaitingForDependents(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(FOREGROUND);
}

/**
 * Deletes objects whose owners are gone, and carries out foreground and orphaning deletion. Owners are found by uid: in
 * the dependent's namespace or, for any dependent, cluster-scoped.
 */
export function startGarbageCollector(parts: BackgroundParts): BackgroundLoop {
  const { store, registry, clock, log } = parts;
  const queue = new WorkQueue(collect, clock, log);

  function found(entry: Entry | undefined): Found | undefined {
    const kind = entry && registry.findByStoreKey(entry.resource);
    return entry && kind && { kind, object: kind.read(storedObject(entry.value)) };
  }

  function dependentsOf(uid: string): Found[] {
    return store.ownedBy(uid).flatMap((entry) => found(entry) ?? []);
  }

  function ownerOf(dependent: KubeObject, reference: OwnerReference): KubeObject | undefined {
    const entry = store.byUid(reference.uid);
    if (!entry) return undefined;
    const reachable = entry.namespace === '' || entry.namespace === dependent.metadata.namespace;
    return reachable ? storedObject(entry.value) : undefined;
  }

  async function collect(uid: string): Promise<void> {
    const seen = found(store.byUid(uid));
    if (seen === undefined) {
      for (const dependent of store.ownedBy(uid)) queue.add(storedObject(dependent.value).metadata.uid ?? '');
      return;
    }
    if (seen.object.metadata.deletionTimestamp !== undefined) await finishDeletion(seen, uid);
    await judgeDependent(seen);
  }

  async function finishDeletion({ kind, object }: Found, uid: string): Promise<void> {
    const finalizers = object.metadata.finalizers ?? [];
    if (finalizers.includes(ORPHAN)) {
      for (const dependent of dependentsOf(uid)) {
        await modifyQuietly(parts, dependent.kind, dependent.object, USER, (copy) => dropOwners(copy, new Set([uid])));
      }
      await modifyQuietly(parts, kind, object, USER, (copy) => dropFinalizer(copy, ORPHAN));
    } else if (finalizers.includes(FOREGROUND)) {
      const dependents = dependentsOf(uid);
      const blocking = dependents.filter((one) =>
        (one.object.metadata.ownerReferences ?? []).some(
          (owner) => owner.uid === uid && owner.blockOwnerDeletion === true,
        ),
      );
      if (blocking.length === 0)
        await modifyQuietly(parts, kind, object, USER, (copy) => dropFinalizer(copy, FOREGROUND));
      for (const dependent of dependents) queue.add(dependent.object.metadata.uid ?? '');
    }
  }

  async function judgeDependent({ kind, object }: Found): Promise<void> {
    const references = object.metadata.ownerReferences ?? [];
    if (references.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const owners = references.map((reference) => ({ reference, owner: ownerOf(object, reference) }));
    const waiting = owners.filter(({ owner }) => owner && isWaitingForDependents(owner));
    const solid = owners.filter(({ owner }) => owner && !isWaitingForDependents(owner));
    if (solid.length > 0) {
      const useless = new Set(owners.filter((one) => !solid.includes(one)).map(({ reference }) => reference.uid));
      if (useless.size > 0) await modifyQuietly(parts, kind, object, USER, (copy) => dropOwners(copy, useless));
      return;
    }
    const uid = object.metadata.uid ?? '';
    const hasDependents = store.ownedBy(uid).length > 0;
    const propagation = waiting.length > 0 && hasDependents ? 'Foreground' : undefined;
    await removeQuietly(parts, kind, object, USER, { propagation });
  }

  function notice(object: KubeObject, gone: boolean): void {
    const { uid, ownerReferences, deletionTimestamp } = object.metadata;
    if (uid === undefined) return;
    if (gone || deletionTimestamp !== undefined || ownerReferences !== undefined) queue.add(uid);
    // An owner that waits for this one may go on now.
    if (!gone) return;
    for (const { uid: owner } of ownerReferences ?? []) {
      const entry = store.byUid(owner);
      if (entry && isWaitingForDependents(storedObject(entry.value))) queue.add(owner);
    }
  }

  const stopWatching = store.watch({
    onEvent(event) {
      const object = storedObject(event.value);
      notice(object, event.type === 'DELETED');
      // Dependents that no longer block.
      const before = event.previous === undefined ? [] : (storedObject(event.previous).metadata.ownerReferences ?? []);
      for (const { uid } of before) {
        const entry = store.byUid(uid);
        if (entry && isWaitingForDependents(storedObject(entry.value))) queue.add(uid);
      }
    },
  });
  for (const resource of store.resources()) {
    for (const entry of store.list(resource).items) notice(storedObject(entry.value), false);
  }
  return {
    async stop() {
      stopWatching();
      await queue.stop();
    },
  };
}

function dropOwners(copy: KubeObject, uids: ReadonlySet<string>): void {
  const left = (copy.metadata.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid));
  if (left.length > 0) copy.metadata.ownerReferences = left;
  else delete copy.metadata.ownerReferences;
}
