import { createHash } from 'node:crypto';
import { OPENAPI_V2_ACCEPT, OPENAPI_V2_CONTENT_TYPE, openapiV2Protobuf } from '../openapi/v2.ts';
import { openapiV3Document } from '../openapi/v3-document.ts';
import type { OpenApiKind } from '../openapi/v3-document.ts';
import { openapiV3Index } from '../openapi/v3-index.ts';
import type { Exchange } from '../http/exchange.ts';
import { notAcceptable } from '../http/accept.ts';
import { sendUnknownPath, sendValue } from '../http/reply.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';

const FOR_EVER = 'public, immutable';

interface Document {
  readonly text: string;
  readonly hash: string;
}

function pathOf(kind: { readonly group: string; readonly version: string }): string {
  return kind.group === '' ? `api/${kind.version}` : `apis/${kind.group}/${kind.version}`;
}

/** OpenAPI v3 documents of what is served now, made when first asked for; and a v2 document for old clients. */
export class OpenApi {
  readonly #registry: KindRegistry;
  #cache: { generation: number; documents: Map<string, Document> } | undefined;

  constructor(registry: KindRegistry) {
    this.#registry = registry;
  }

  /** Answers `/openapi/…`; returns false for other paths. */
  async serve(exchange: Exchange): Promise<boolean> {
    const path = exchange.path.replace(/\/$/, '');
    if (path === '/openapi/v3') {
      const groupVersions = [...this.#groupVersions()].map((one) => ({
        key: one,
        hash: this.#document(one)?.hash ?? '',
      }));
      await sendValue(exchange, 200, openapiV3Index(groupVersions));
    } else if (path.startsWith('/openapi/v3/')) {
      await this.#serveDocument(exchange, path.slice('/openapi/v3/'.length));
    } else if (path === '/openapi/v2') {
      const accept = exchange.header('accept') ?? '';
      if (!accept.includes('protobuf')) throw notAcceptable([OPENAPI_V2_ACCEPT]);
      await exchange.sink.send(200, OPENAPI_V2_CONTENT_TYPE, openapiV2Protobuf());
    } else {
      return false;
    }
    return true;
  }

  #groupVersions(): Set<string> {
    return new Set(this.#registry.kinds().map(pathOf));
  }

  #document(path: string): Document | undefined {
    const { generation } = this.#registry;
    if (this.#cache?.generation !== generation) this.#cache = { generation, documents: new Map() };
    const { documents } = this.#cache;
    const known = documents.get(path);
    if (known) return known;
    const kinds = this.#registry.kinds().filter((kind) => pathOf(kind) === path);
    const first = kinds[0];
    if (!first) return undefined;
    const text = JSON.stringify(openapiV3Document(first, kinds.map(described)));
    const document = { text, hash: createHash('sha256').update(text).digest('hex').toUpperCase() };
    documents.set(path, document);
    return document;
  }

  async #serveDocument(exchange: Exchange, path: string): Promise<void> {
    const document = this.#document(path);
    if (!document) {
      await sendUnknownPath(exchange);
      return;
    }
    const asked = exchange.query.get('hash');
    exchange.sink.setHeader('ETag', `"${document.hash}"`);
    exchange.sink.setHeader('Vary', 'Accept');
    if (asked !== null && asked !== document.hash) {
      exchange.sink.setHeader('Location', `/openapi/v3/${path}?hash=${document.hash}`);
      await exchange.sink.send(301, 'text/plain', '');
      return;
    }
    if (asked !== null) {
      exchange.sink.setHeader('Cache-Control', FOR_EVER);
      exchange.sink.setHeader('Expires', 'Fri, 01 Jan 2100 00:00:00 GMT');
    }
    await exchange.sink.send(200, 'application/json', document.text);
  }
}

function described({ kind, plural, namespaced, custom, schema, hasStatus, scale }: ServedKind): OpenApiKind {
  const subresources = { status: hasStatus, scale: scale !== undefined };
  return { kind, plural, namespaced, builtIn: !custom, schema: custom ? schema : undefined, subresources };
}
