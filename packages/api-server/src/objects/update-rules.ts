import type { KubeObject, ObjectMeta } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { badRequest, conflict, invalid, unspecified } from '../api-error.ts';
import { fieldAt } from '../kinds/fields.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import type { UpdateTarget } from './object-service.ts';

const SERVER_OWNED = [
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
] as const satisfies readonly (keyof ObjectMeta)[];

/** Refuses an update meant for another object or another state of it. */
function checkIdentity(kind: ServedKind, target: UpdateTarget, object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  metadata.name ??= target.name;
  if (metadata.name !== target.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`);
  }
  if (metadata.uid && metadata.uid !== old.metadata.uid) {
    throw conflict(
      kind,
      target.name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  const version = metadata.resourceVersion;
  if (version === undefined || version === '' || version === '0') {
    if (kind.versionRequired) {
      const message = `Invalid value: ${version === '0' ? '0' : '0x0'}: must be specified for an update`;
      throw invalid(kind, target.name, [{ reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' }]);
    }
  } else if (!/^\d+$/.test(version)) {
    throw unspecified(`invalid resource version "${version}"`);
  } else if (version !== old.metadata.resourceVersion) {
    throw conflict(
      kind,
      target.name,
      'the object has been modified; please apply your changes to the latest version and try again',
    );
  }
}

/** A member copied from one object to another, absence included. */
function copyMember(to: Record<string, unknown>, from: Readonly<Record<string, unknown>>, key: string): void {
  if (from[key] === undefined) delete to[key];
  else to[key] = structuredClone(from[key]);
}

/**
 * The object that a client's update really means: what belongs to the server or to another subresource is taken from
 * the old one. Changes and returns a copy, never `old`.
 */
export function adoptUpdate(kind: ServedKind, target: UpdateTarget, object: KubeObject, old: KubeObject): KubeObject {
  checkIdentity(kind, target, object, old);
  if (target.subresource === 'status') {
    const merged = structuredClone(old);
    copyMember(merged, object, 'status');
    return merged;
  }
  if (target.subresource === 'approval') {
    const merged = structuredClone(old);
    const conditions = fieldAt(object, 'status.conditions');
    const status = fieldAt(merged, 'status');
    merged['status'] = { ...(typeof status === 'object' ? status : {}), conditions: structuredClone(conditions ?? []) };
    return merged;
  }
  // The cast is safe: both sides are ObjectMeta, seen as a record of their members.
  const meta = object.metadata as Record<string, unknown>;
  for (const key of SERVER_OWNED) copyMember(meta, { ...old.metadata }, key);
  copyMember(meta, { ...old.metadata }, 'generateName');
  if (kind.hasStatus) copyMember(object, old, 'status');
  return object;
}

/** Whether the kind's rule for `metadata.generation` sees a change. */
export function specChanged(kind: ServedKind, object: KubeObject, old: KubeObject): boolean {
  if (kind.generation === 'none') return false;
  const relevant = ({ metadata: _metadata, status, ...rest }: KubeObject): object =>
    kind.generation === 'everything' ? { ...rest, status } : rest;
  return !jsonEqual(relevant(object), relevant(old));
}

/** Being deleted, with nothing left to wait for. */
export function isFinished(kind: ServedKind, object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || (deletionGracePeriodSeconds ?? 0) > 0) return false;
  if (finalizers && finalizers.length > 0) return false;
  const remaining = fieldAt(object, 'spec.finalizers');
  return kind.storeKey !== 'namespaces' || !Array.isArray(remaining) || remaining.length === 0;
}
