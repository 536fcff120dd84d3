import { apiVersionOf } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { isStoreError } from '@godwit/store';
import type { StoreEvent } from '@godwit/store';
import { expired } from '../api-error.ts';
import { negotiate } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { storedObject } from '../objects/object-reader.ts';
import { Presenter } from './present.ts';
import type { ReadParts } from './read.ts';
import { parseReadOptions } from './read-options.ts';
import type { ReadOptions } from './read-options.ts';
import { parseSelection } from './selection.ts';
import type { Selection } from './selection.ts';
import { WatchStream } from './watch-stream.ts';
import type { SharedJson } from './watch-stream.ts';

export interface WatchParts extends ReadParts {
  /** Aborted when the kind changes or goes; undefined for kinds that never do. */
  readonly changed: AbortSignal | undefined;
  readonly json: SharedJson;
}

type Line = { readonly type: string; readonly object: KubeObject };

const BOOKMARK_EVERY_MS = 60_000;
const LAST_BOOKMARK_MS = 2000;
const MIN_TIMEOUT_MS = 30 * 60_000;

/** What an event means to a watcher with a selector, in its version of the kind; undefined: nothing. */
export function eventFor(event: StoreEvent, kind: ServedKind, selection: Selection): Line | undefined {
  const now = kind.read(storedObject(event.value));
  const before = event.previous && kind.read(storedObject(event.previous));
  const matched = before !== undefined && selection.matches(before);
  if (event.type === 'DELETED') return matched ? { type: 'DELETED', object: now } : undefined;
  if (selection.matches(now)) return { type: matched ? 'MODIFIED' : 'ADDED', object: now };
  if (!matched) return undefined;
  const resourceVersion = String(event.revision);
  return { type: 'DELETED', object: { ...before, metadata: { ...before.metadata, resourceVersion } } };
}

function bookmark(kind: ServedKind, revision: number, annotations?: Record<string, string>): object {
  return {
    kind: kind.kind,
    apiVersion: apiVersionOf(kind),
    metadata: { resourceVersion: String(revision), creationTimestamp: null, ...(annotations ? { annotations } : {}) },
  };
}

/** Streams events until the client, a timeout, the kind's end or the server's end stops it. */
export async function watchObjects(
  parts: WatchParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
): Promise<void> {
  const negotiated = negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const presenter = new Presenter(kind, negotiated, exchange.query, () => parts.clock.now());
  const options = parseReadOptions(exchange.query, true);
  const selection = parseSelection(kind, exchange.query);
  if (kind.deprecationWarning !== undefined) exchange.warnings.push(kind.deprecationWarning);
  const stream = new WatchStream(exchange, parts.json);
  stream.open();

  let first = true;
  const send = (line: Line): void => {
    stream.push(line.type, presenter.single(line.object, first), first && negotiated.transform === 'Table');
    first = false;
  };
  const sendBookmark = (annotations?: Record<string, string>): void => {
    stream.push('BOOKMARK', bookmark(kind, parts.store.revision, annotations), true);
  };
  const stopWatching = subscribe(parts, kind, namespace, options, selection, stream, send, sendBookmark);
  if (stopWatching === undefined) {
    stream.finish();
    return;
  }
  stream.limit();

  const timeoutMs = options.timeoutMs ?? MIN_TIMEOUT_MS * (1 + Math.random());
  const timers = [parts.clock.after(timeoutMs, () => stream.finish())];
  if (options.bookmarks) {
    const again = (): void => {
      sendBookmark();
      cancelBookmark = parts.clock.after(BOOKMARK_EVERY_MS, again);
    };
    let cancelBookmark = parts.clock.after(BOOKMARK_EVERY_MS, again);
    timers.push(() => cancelBookmark());
    if (timeoutMs >= BOOKMARK_EVERY_MS)
      timers.push(parts.clock.after(timeoutMs - LAST_BOOKMARK_MS, () => sendBookmark()));
  }
  const onEnd = (): void => stream.finish();
  parts.changed?.addEventListener('abort', onEnd, { once: true });
  await stream.ended;
  parts.changed?.removeEventListener('abort', onEnd);
  stopWatching();
  for (const cancel of timers) cancel();
}

/** Sends the initial state if one is due, then follows the store. Undefined: the start is too old, said so already. */
function subscribe(
  parts: WatchParts,
  kind: ServedKind,
  namespace: string,
  options: ReadOptions,
  selection: Selection,
  stream: WatchStream,
  send: (line: Line) => void,
  sendBookmark: (annotations?: Record<string, string>) => void,
): (() => void) | undefined {
  const { store } = parts;
  const { revision, sendInitialEvents } = options;
  const wantsState = sendInitialEvents ?? (revision === undefined || revision === 0);
  if (wantsState) {
    for (const entry of store.list(kind.storeKey, namespace).items) {
      const object = kind.read(storedObject(entry.value));
      if (selection.matches(object)) send({ type: 'ADDED', object });
    }
    if (sendInitialEvents) sendBookmark({ 'k8s.io/initial-events-end': 'true' });
  }
  const fromRevision = wantsState || revision === undefined || revision === 0 ? store.revision : revision;
  const onEvent = (event: StoreEvent): void => {
    const line = eventFor(event, kind, selection);
    if (line) send(line);
  };
  const tooOld = expired(
    `too old resource version: ${fromRevision} (${Math.max(kind.historyStart, store.compactedRevision)})`,
  );
  if (fromRevision < kind.historyStart) {
    stream.push('ERROR', tooOld.toStatus(), true);
    return undefined;
  }
  try {
    return store.watch({ resource: kind.storeKey, namespace, fromRevision, onEvent });
  } catch (error) {
    if (!isStoreError(error, 'STORE_COMPACTED')) throw error;
    stream.push('ERROR', tooOld.toStatus(), true);
    return undefined;
  }
}
