import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { keyOf, keyString } from '@godwit/api';
import type { KubeObject, Status, Stored } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { apiError, isExpired, KubeUnreachableError } from './errors.ts';
import type { WatchEvent } from './types.ts';

/** The two calls a watch is made of. */
export interface WatchSource<T extends KubeObject> {
  list(signal: AbortSignal): Promise<{ items: Stored<T>[]; resourceVersion: string }>;
  /** Opens the stream; rejects with the same errors as any request. */
  stream(resourceVersion: string, timeoutSeconds: number, signal: AbortSignal): Promise<IncomingMessage>;
}

export interface WatchHandlers<T extends KubeObject> {
  readonly signal: AbortSignal;
  readonly onEvent: (event: WatchEvent<Stored<T>>) => void;
  readonly onSynced?: () => void;
  readonly onListed?: (present: ReadonlySet<string>, resourceVersion: string) => void;
}

const BASE_MS = 50;
const CAP_MS = 5_000;
const LASTING_MS = 1_000;

/**
 * Follows one collection until the signal aborts:
 *
 *     list ──► stream ──closed──► stream (from the last version seen) ──410──► list …
 *       ▲         └──broken──► back-off ──┘
 *       └─failed─ back-off
 *
 * A relist is translated into the events that lead from the old contents to the new.
 */
export async function followCollection<T extends KubeObject>(
  source: WatchSource<T>,
  handlers: WatchHandlers<T>,
  log: Logger,
  random: () => number = Math.random,
): Promise<void> {
  const known = new Map<string, Stored<T>>();
  const { signal } = handlers;
  let version: string | undefined;
  let synced = false;
  let failures = 0;
  let openedAt: number | undefined;

  const emit = (event: WatchEvent<Stored<T>>): void => {
    try {
      handlers.onEvent(event);
    } catch (error) {
      log.error({ error: describeError(error), object: keyString(keyOf(event.object)) }, 'watch handler threw');
    }
  };
  /** A stream that lasted was a success, whatever ended it. */
  const settle = (): boolean => {
    const lasted = openedAt !== undefined && Date.now() - openedAt >= LASTING_MS;
    openedAt = undefined;
    if (lasted) failures = 0;
    return lasted;
  };
  const remember = (object: Stored<T>): void => {
    const key = keyString(keyOf(object));
    const type = known.has(key) ? 'MODIFIED' : 'ADDED';
    known.set(key, object);
    emit({ type, object });
  };
  const forget = (object: Stored<T>): void => {
    known.delete(keyString(keyOf(object)));
    emit({ type: 'DELETED', object });
  };

  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const listed = await source.list(signal);
        if (signal.aborted) return;
        const present = new Set(listed.items.map((item) => keyString(keyOf(item))));
        for (const [key, old] of known) if (!present.has(key)) forget(old);
        for (const item of listed.items) {
          const old = known.get(keyString(keyOf(item)));
          if (old?.metadata.resourceVersion === item.metadata.resourceVersion) continue;
          if (old && old.metadata.uid !== item.metadata.uid) forget(old);
          remember(item);
        }
        version = listed.resourceVersion;
        handlers.onListed?.(present, version);
        if (!synced) handlers.onSynced?.();
        synced = true;
      }
      const timeoutSeconds = 300 + Math.floor(random() * 300);
      const reply = await source.stream(version, timeoutSeconds, signal);
      openedAt = Date.now();
      if (failures > 0) log.info({ failures }, 'watch is back');
      for await (const event of readEvents(reply, timeoutSeconds)) {
        if (signal.aborted) return;
        if (event.type === 'ERROR') throw streamError(event.object);
        const object = event.object as Stored<T>;
        version = object.metadata.resourceVersion;
        if (event.type === 'BOOKMARK') continue;
        if (event.type === 'DELETED') forget(object);
        else remember(object);
        failures = 0;
      }
      if (!settle()) await pause(BASE_MS * 4, signal);
    } catch (error) {
      if (signal.aborted) return;
      settle();
      // 410 is the protocol's way to say "list again"; 504 is a version the (restored) server has never seen.
      if (isExpired(error) || isTooNew(error)) version = undefined;
      if (isExpired(error) && failures === 0) {
        failures = 1;
        continue;
      }
      const delayMs = backoffMs(failures, BASE_MS, CAP_MS) * (0.75 + random() / 2);
      const fields = { error: describeError(error), failures, delayMs: Math.round(delayMs) };
      if (failures === 0) log.warn(fields, 'watch broke, trying again');
      else log.debug(fields, 'watch still broken');
      failures += 1;
      await pause(delayMs, signal);
    }
  }
}

function isTooNew(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'details' in error && statusOf(error.details) === 504;
}

function statusOf(details: unknown): number | undefined {
  return typeof details === 'object' && details !== null && 'status' in details && typeof details.status === 'number'
    ? details.status
    : undefined;
}

function streamError(object: unknown): Error {
  const status = object as Status;
  return apiError('WATCH', '', status.code ?? 500, status.details?.retryAfterSeconds, status);
}

interface RawEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

/** The JSON lines of a watch reply. A clean end returns, a broken connection throws `KUBE_UNREACHABLE`. */
async function* readEvents(reply: IncomingMessage, timeoutSeconds: number): AsyncGenerator<RawEvent> {
  const decoder = new StringDecoder('utf8');
  // The server ends a watch by itself at the timeout we asked for; a silent peer well after that is a dead one.
  const deadline = setTimeout(() => reply.destroy(new Error('watch outlived its time')), (timeoutSeconds + 30) * 1000);
  deadline.unref();
  let rest = '';
  try {
    for await (const chunk of reply) {
      const text = rest + decoder.write(chunk as Buffer);
      const lines = text.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as RawEvent;
    }
  } catch (error) {
    throw new KubeUnreachableError('The watch connection broke', { method: 'GET', path: reply.url ?? '' }, error);
  } finally {
    clearTimeout(deadline);
    reply.destroy();
  }
}

/** Ends early, without rejecting, when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
