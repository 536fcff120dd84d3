import { badRequest } from '../api-error.ts';

/** What a URL and a method ask for, before anybody looks whether it exists. */
export interface ResourceRequestInfo {
  readonly type: 'resource';
  /** RBAC verb. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly plural: string;
  /** Empty for a collection. */
  readonly name: string;
  /** First segment after the name; empty for none. */
  readonly subresource: string;
  /** All segments after the name. */
  readonly segments: readonly string[];
  readonly isWatch: boolean;
}

export interface NonResourceRequestInfo {
  readonly type: 'nonResource';
  readonly verb: string;
  readonly path: string;
}

export type RequestInfo = ResourceRequestInfo | NonResourceRequestInfo;

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

function verbOf(method: string, name: string, isWatch: boolean): string {
  if (method === 'GET' || method === 'HEAD') return name !== '' ? 'get' : isWatch ? 'watch' : 'list';
  if (method === 'DELETE' && name === '') return 'deletecollection';
  return VERBS[method] ?? method.toLowerCase();
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path segment "${segment}" is not valid percent-encoding`);
  }
}

/** The name a field selector pins, so that `list` and `watch` of one object count as named. */
function selectedName(query: URLSearchParams): string {
  const match = /(?:^|,)metadata\.name==?([^,]+)(?:,|$)/.exec(query.get('fieldSelector') ?? '');
  return match?.[1] ?? '';
}

export function isTruthy(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0';
}

/** Splits a request as Kubernetes does; `/namespaces/<ns>` before the plural is the scope, alone it is the object. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const nonResource: NonResourceRequestInfo = { type: 'nonResource', verb: method.toLowerCase(), path };
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  const segments = trimmed.split('/').slice(1);
  if (segments.includes('')) return nonResource;
  const parts = segments.map(decode);
  let group = '';
  if (parts[0] === 'apis') group = parts.splice(1, 1)[0] ?? '';
  else if (parts[0] !== 'api') return nonResource;
  const version = parts[1];
  let rest = parts.slice(2);
  if (version === undefined || rest.length === 0) return nonResource;

  let isWatch = isTruthy(query.get('watch'));
  if (rest[0] === 'watch' && rest.length > 1) {
    isWatch = true;
    rest = rest.slice(1);
  }
  let namespace = '';
  if (rest[0] === 'namespaces' && rest.length > 2 && !(rest.length === 3 && isNamespaceSubresource(rest[2]))) {
    namespace = rest[1] ?? '';
    rest = rest.slice(2);
  } else if (rest[0] === 'namespaces' && rest.length >= 2) {
    namespace = rest[1] ?? '';
  }
  const [plural = '', name = '', ...tail] = rest;
  return {
    type: 'resource',
    verb: verbOf(method, name, isWatch),
    group,
    version,
    namespace,
    plural,
    name,
    subresource: tail[0] ?? '',
    segments: tail,
    isWatch: isWatch && name === '',
  };
}

function isNamespaceSubresource(segment: string | undefined): boolean {
  return segment === 'status' || segment === 'finalize';
}

/** Name for authorization: the path's, or the one a list or watch is narrowed to. */
export function authorizedName(info: ResourceRequestInfo, query: URLSearchParams): string {
  return info.name !== '' || info.verb === 'create' ? info.name : selectedName(query);
}
