import type { KubeObject } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { isStoreError } from '@godwit/store';
import type { Entry, ObjectStore, Snapshot } from '@godwit/store';
import { expired, notFound } from '../api-error.ts';
import { negotiate } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { storedObject, storeKeyOf } from '../objects/object-reader.ts';
import { Presenter } from './present.ts';
import { encodeContinue, parseReadOptions, revisionTooLarge } from './read-options.ts';
import type { ReadOptions } from './read-options.ts';
import { parseSelection } from './selection.ts';
import type { Selection } from './selection.ts';

export interface ReadParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

export function findObject(store: ObjectStore, kind: ServedKind, namespace: string, name: string): KubeObject {
  const entry = store.get(storeKeyOf(kind, namespace, name));
  if (!entry) throw notFound(kind, name);
  return kind.read(storedObject(entry.value));
}

export async function getObject(
  parts: ReadParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  name: string,
): Promise<void> {
  const negotiated = negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const presenter = new Presenter(kind, negotiated, exchange.query, () => parts.clock.now());
  const options = parseReadOptions(exchange.query, false);
  if (options.revision !== undefined && options.revision > parts.store.revision) {
    throw revisionTooLarge(options.revision, parts.store.revision);
  }
  const object = findObject(parts.store, kind, namespace, name);
  if (kind.deprecationWarning !== undefined) exchange.warnings.push(kind.deprecationWarning);
  await sendValue(exchange, 200, presenter.single(object), negotiated.format);
}

function snapshotFor(store: ObjectStore, kind: ServedKind, namespace: string, options: ReadOptions): Snapshot {
  const { revision, exact, after } = options;
  if (revision !== undefined && revision > store.revision) throw revisionTooLarge(revision, store.revision);
  const wanted = after?.revision ?? (exact ? revision : undefined);
  if (wanted === undefined) return store.list(kind.storeKey, namespace);
  const token = after && encodeContinue({ ...after, revision: store.revision });
  if (wanted < kind.historyStart) throw expired(`The provided resource version ${wanted} is too old`, token);
  try {
    return store.listAt(kind.storeKey, wanted, namespace);
  } catch (error) {
    if (isStoreError(error, 'STORE_COMPACTED')) throw expired('The provided continue parameter is too old', token);
    if (isStoreError(error, 'STORE_FUTURE_REVISION')) throw revisionTooLarge(wanted, store.revision);
    throw error;
  }
}

function isAfter(entry: Entry, options: ReadOptions): boolean {
  const { after } = options;
  if (after === undefined) return true;
  return entry.namespace > after.namespace || (entry.namespace === after.namespace && entry.name > after.name);
}

/** One page of a list: everything after the continue token that is selected, up to the limit. */
export function selectPage(
  store: ObjectStore,
  kind: ServedKind,
  namespace: string,
  options: ReadOptions,
  selection: Selection,
): { objects: KubeObject[]; revision: number; continueToken: string | undefined; remaining: number | undefined } {
  const snapshot = snapshotFor(store, kind, namespace, options);
  const rest = snapshot.items.filter((entry) => isAfter(entry, options));
  const objects: KubeObject[] = [];
  for (const [i, entry] of rest.entries()) {
    const object = kind.read(storedObject(entry.value));
    if (!selection.matches(object)) continue;
    objects.push(object);
    if (objects.length !== options.limit || i + 1 >= rest.length) continue;
    const { namespace: lastNamespace, name } = entry;
    return {
      objects,
      revision: snapshot.revision,
      continueToken: encodeContinue({ revision: snapshot.revision, namespace: lastNamespace, name }),
      remaining: selection.narrows ? undefined : rest.length - i - 1,
    };
  }
  return { objects, revision: snapshot.revision, continueToken: undefined, remaining: undefined };
}

export async function listObjects(
  parts: ReadParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
): Promise<void> {
  const negotiated = negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadataList']);
  const presenter = new Presenter(kind, negotiated, exchange.query, () => parts.clock.now());
  const options = parseReadOptions(exchange.query, false);
  const selection = parseSelection(kind, exchange.query);
  const page = selectPage(parts.store, kind, namespace, options, selection);
  if (kind.deprecationWarning !== undefined) exchange.warnings.push(kind.deprecationWarning);
  const meta = {
    resourceVersion: String(page.revision),
    continue: page.continueToken,
    remainingItemCount: page.remaining,
  };
  await sendValue(exchange, 200, presenter.list(page.objects, meta), negotiated.format);
}
