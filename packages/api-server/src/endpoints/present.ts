import { apiVersionOf } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { badRequest } from '../api-error.ts';
import type { Negotiated } from '../http/accept.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { tableFor } from '../table/table-for.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string | undefined;
  readonly remainingItemCount?: number | undefined;
}

const META_V1 = 'meta.k8s.io/v1';

export function parseIncludeObject(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '' || asked === 'Metadata') return 'Metadata';
  if (asked === 'None' || asked === 'Object') return asked;
  throw badRequest(`unrecognized includeObject value: "${asked}"`);
}

function partial(object: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: META_V1, metadata: object.metadata };
}

/** Turns objects into what the Accept header asks for. */
export class Presenter {
  readonly #kind: ServedKind;
  readonly #negotiated: Negotiated;
  readonly #include: IncludeObject;
  readonly #nowMs: () => number;

  constructor(kind: ServedKind, negotiated: Negotiated, query: URLSearchParams, nowMs: () => number) {
    this.#kind = kind;
    this.#negotiated = negotiated;
    this.#include = negotiated.transform === 'Table' ? parseIncludeObject(query) : 'Object';
    this.#nowMs = nowMs;
  }

  /** One object, or one event's object; `columns: false` leaves out a table's column definitions. */
  single(object: KubeObject, columns = true): unknown {
    switch (this.#negotiated.transform) {
      case 'none':
        return object;
      case 'PartialObjectMetadata':
      case 'PartialObjectMetadataList':
        return partial(object);
      case 'Table':
        return this.#table([object], { resourceVersion: object.metadata.resourceVersion ?? '' }, columns);
    }
  }

  list(objects: readonly KubeObject[], meta: ListMeta): unknown {
    const kind = this.#kind;
    const metadata = withoutUndefined({ ...meta });
    switch (this.#negotiated.transform) {
      case 'Table':
        return this.#table(objects, metadata, true);
      case 'PartialObjectMetadata':
      case 'PartialObjectMetadataList':
        return { kind: 'PartialObjectMetadataList', apiVersion: META_V1, metadata, items: objects.map(partial) };
      case 'none': {
        const items = kind.custom ? objects : objects.map(({ kind: _kind, apiVersion: _version, ...rest }) => rest);
        return { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata, items };
      }
    }
  }

  #table(objects: readonly KubeObject[], metadata: object, columns: boolean): unknown {
    const { group, kind, printerColumns } = this.#kind;
    const resource = { group, kind, ...(printerColumns ? { printerColumns } : {}) };
    const table = tableFor(resource, [...objects], { includeObject: this.#include, nowMs: this.#nowMs() });
    return { ...table, metadata, ...(columns ? {} : { columnDefinitions: null }) };
  }
}

function withoutUndefined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined && member !== ''));
}
