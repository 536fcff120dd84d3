import { apiVersionOf, resourcePath } from '@godwit/api';
import type { KubeObject, ResourceKind, Stored } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import type { Logger } from '@godwit/core/logger';
import { apiError, isConflict, isExpired, isNotFound, KubeUnreachableError } from './errors.ts';
import { createTransport, readText } from './transport.ts';
import type { Transport } from './transport.ts';
import type { KubeClient, KubeEndpoint, ListOptions } from './types.ts';
import { followCollection } from './watch.ts';

export interface KubeClientOptions {
  readonly log?: Logger;
  /** Also the field manager the server records (up to the first slash). */
  readonly userAgent?: string;
  /** Texts of `Warning` headers; default: logged at debug. */
  readonly onWarning?: (text: string) => void;
}

const PATCH_TYPES = { merge: 'application/merge-patch+json', json: 'application/json-patch+json' } as const;
const PAGE = 500;

/** Client of one API server over keep-alive HTTPS (or plain HTTP for tests). Does nothing until first used. */
export function createKubeClient(endpoint: KubeEndpoint, options: KubeClientOptions = {}): KubeClient {
  return createClientOver(createTransport(endpoint), options);
}

export function createClientOver(transport: Transport, options: KubeClientOptions = {}): KubeClient {
  const log = options.log ?? silentLogger;
  const agent = options.userAgent ?? 'godwit';
  const closed = new AbortController();

  async function send(
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
    signal: AbortSignal = closed.signal,
  ): Promise<unknown> {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const payload = body === undefined ? undefined : raw ? body : JSON.stringify(body);
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': agent };
    if (payload !== undefined) {
      headers['content-type'] = contentType;
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    const reply = await transport.open({
      method,
      path,
      headers,
      ...(payload === undefined ? {} : { body: payload }),
      signal,
    });
    const text = await readText(reply, method, path);
    const parsed = parse(text, reply.headers['content-type'], method, path);
    const status = reply.statusCode ?? 0;
    if (status >= 400) throw apiError(method, path, status, retryAfter(reply.headers['retry-after']), parsed);
    for (const warning of warningsOf(reply.headers['warning'])) {
      if (options.onWarning) options.onWarning(warning);
      else log.debug({ method, path, warning }, 'server warned');
    }
    return parsed;
  }

  async function listAll<T extends KubeObject>(
    resource: ResourceKind,
    selection: ListOptions,
    signal: AbortSignal = closed.signal,
  ): Promise<{ items: Stored<T>[]; resourceVersion: string }> {
    const items: Stored<T>[] = [];
    let token = '';
    for (;;) {
      const query = selectionQuery(selection);
      query.set('limit', String(PAGE));
      if (token !== '') query.set('continue', token);
      let page;
      try {
        page = await send('GET', collectionPath(resource, selection, query), undefined, undefined, signal);
      } catch (error) {
        if (token === '' || !isExpired(error)) throw error;
        items.length = 0;
        token = '';
        continue;
      }
      const list = page as { items?: KubeObject[] | null; metadata?: { resourceVersion?: string; continue?: string } };
      // Items of built-in lists carry no type; every object that leaves this client has one.
      for (const item of list.items ?? []) items.push(typed<T>(resource, item));
      token = list.metadata?.continue ?? '';
      if (token === '') return { items, resourceVersion: list.metadata?.resourceVersion ?? '' };
    }
  }

  return {
    async get<T extends KubeObject>(resource: ResourceKind, name: string, namespace = '') {
      try {
        return (await send('GET', resourcePath(resource, namespace, name))) as Stored<T>;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    list: (resource, selection = {}) => listAll(resource, selection),
    async create<T extends KubeObject>(resource: ResourceKind, object: T) {
      const path = resourcePath(resource, object.metadata.namespace ?? '');
      return (await send('POST', path, { ...object, ...typeOf(resource) })) as Stored<T>;
    },
    async update<T extends KubeObject>(resource: ResourceKind, object: T, subresource = '') {
      const path = resourcePath(resource, object.metadata.namespace ?? '', object.metadata.name ?? '', subresource);
      return (await send('PUT', path, { ...object, ...typeOf(resource) })) as Stored<T>;
    },
    async patch<T extends KubeObject>(
      resource: ResourceKind,
      name: string,
      namespace: string,
      body: Parameters<KubeClient['patch']>[3],
      subresource = '',
    ) {
      const path = resourcePath(resource, namespace, name, subresource);
      return (await send('PATCH', path, body.patch, PATCH_TYPES[body.type])) as Stored<T>;
    },
    async delete(resource, name, namespace = '', deletion = {}) {
      try {
        await send('DELETE', resourcePath(resource, namespace, name), {
          kind: 'DeleteOptions',
          apiVersion: 'v1',
          ...deletion,
        });
      } catch (error) {
        if (isNotFound(error)) return;
        // The object with that uid is gone when another one has taken its name.
        if (isConflict(error) && deletion.preconditions?.uid !== undefined) {
          const now = await this.get(resource, name, namespace);
          if (now?.metadata.uid !== deletion.preconditions.uid) return;
        }
        throw error;
      }
    },
    request: (method, path, body, contentType) => send(method, path, body, contentType),
    watch<T extends KubeObject>(resource: ResourceKind, follow: Parameters<KubeClient['watch']>[1]) {
      const signal = AbortSignal.any([follow.signal, closed.signal]);
      void followCollection<T>(
        {
          list: () => listAll<T>(resource, follow, signal),
          async stream(resourceVersion, timeoutSeconds) {
            const query = selectionQuery(follow);
            query.set('watch', 'true');
            query.set('allowWatchBookmarks', 'true');
            query.set('resourceVersion', resourceVersion);
            query.set('timeoutSeconds', String(timeoutSeconds));
            const path = collectionPath(resource, follow, query);
            const headers = { accept: 'application/json', 'user-agent': agent };
            const reply = await transport.open({ method: 'GET', path, headers, signal, stream: true });
            if (reply.statusCode === 200) return reply;
            const text = await readText(reply, 'GET', path);
            const body = parse(text, reply.headers['content-type'], 'GET', path);
            throw apiError('GET', path, reply.statusCode ?? 0, retryAfter(reply.headers['retry-after']), body);
          },
        },
        // The cast is safe: events carry objects of the collection the caller named as T's.
        { ...follow, signal } as Parameters<typeof followCollection<T>>[1],
        log.child({ watch: resource.plural }),
      );
    },
    close() {
      closed.abort(new KubeUnreachableError('The client was closed', { method: '', path: '' }));
      transport.close();
    },
  };
}

function typeOf(resource: ResourceKind): { apiVersion: string; kind: string } {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function typed<T extends KubeObject>(resource: ResourceKind, item: KubeObject): Stored<T> {
  item.apiVersion ??= apiVersionOf(resource);
  item.kind ??= resource.kind;
  return item as Stored<T>;
}

function selectionQuery(selection: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (selection.labelSelector !== undefined) query.set('labelSelector', selection.labelSelector);
  if (selection.fieldSelector !== undefined) query.set('fieldSelector', selection.fieldSelector);
  return query;
}

function collectionPath(resource: ResourceKind, selection: ListOptions, query: URLSearchParams): string {
  return `${resourcePath(resource, selection.namespace ?? '')}?${query.toString()}`;
}

function parse(text: string, contentType: string | undefined, method: string, path: string): unknown {
  if (text === '' || contentType === undefined || !contentType.includes('json')) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KubeUnreachableError(`The answer to ${method} ${path} is not JSON`, { method, path }, error);
  }
}

function retryAfter(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) ? seconds : undefined;
}

/** Texts inside `Warning: 299 - "text"` headers, which Node joins with commas. */
function warningsOf(header: unknown): string[] {
  if (typeof header !== 'string') return [];
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1'));
}
