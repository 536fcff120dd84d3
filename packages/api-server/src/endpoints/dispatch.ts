import { methodNotAllowed, resourceNotFound } from '../api-error.ts';
import type { Authorizer } from '../auth/authorization.ts';
import type { AccessAttributes } from '../auth/rbac-types.ts';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendUnknownPath } from '../http/reply.ts';
import { authorizedName } from '../http/request-info.ts';
import type { RequestInfo, ResourceRequestInfo } from '../http/request-info.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import type { ObjectWriter, SubresourceGroup } from '../plugins.ts';
import type { Discovery } from './discovery.ts';
import { serveInfo } from './health.ts';
import type { OpenApi } from './openapi.ts';
import { bindPod, evictPod, refuseLog } from './pod-subresources.ts';
import { getObject, listObjects } from './read.ts';
import { reviewKinds } from './review-kinds.ts';
import { serveReview, serveTokenRequest } from './reviews.ts';
import type { ReviewParts } from './reviews.ts';
import { serveScale } from './scale.ts';
import { findGroup, serveGroup } from './subresource-groups.ts';
import { watchObjects } from './watch.ts';
import type { SharedJson } from './watch-stream.ts';
import { createObject, deleteCollection, deleteObject, patchObject, putObject } from './write.ts';
import type { WriteParts } from './write.ts';

export interface DispatchParts extends WriteParts, ReviewParts {
  readonly registry: KindRegistry;
  readonly writer: ObjectWriter;
  readonly tokens: ServiceAccountTokens;
  readonly discovery: Discovery;
  readonly openApi: OpenApi;
  readonly groups: readonly SubresourceGroup[];
  readonly authorizer: Authorizer;
  readonly json: SharedJson;
  readonly version: string;
  readonly isReady: () => boolean;
}

export function attributesOf(info: RequestInfo, query: URLSearchParams): AccessAttributes {
  if (info.type === 'nonResource') return { verb: info.verb, path: info.path };
  const { verb, group, plural, subresource, namespace } = info;
  return { verb, group, resource: plural, subresource, namespace, name: authorizedName(info, query) };
}

/** Finds the endpoint for an authenticated request, after asking whether the user may. */
export async function dispatch(parts: DispatchParts, exchange: Exchange, info: RequestInfo): Promise<void> {
  parts.authorizer.require(exchange.user, attributesOf(info, exchange.query));
  if (info.type === 'nonResource') {
    await serveNonResource(parts, exchange);
    return;
  }
  const group = findGroup(parts.groups, info);
  if (group) {
    await serveGroup(group, info, exchange, parts.writer);
    return;
  }
  const review = reviewKinds.find(
    (one) => one.group === info.group && one.version === info.version && one.plural === info.plural,
  );
  if (review) {
    if (exchange.method !== 'POST' || info.name !== '') throw methodNotAllowed(exchange.method);
    await serveReview(parts, exchange, review, info.namespace);
    return;
  }
  const kind = parts.registry.find(info.group, info.version, info.plural);
  if (kind) await serveKind(parts, exchange, kind, info);
  else if (parts.registry.hasGroupVersion(info.group, info.version)) throw resourceNotFound();
  else await sendUnknownPath(exchange);
}

async function serveNonResource(parts: DispatchParts, exchange: Exchange): Promise<void> {
  const state = {
    version: parts.version,
    ready: parts.isReady(),
    groupVersionPaths: (): string[] =>
      parts.discovery.groups().flatMap((group) => {
        const root = group.name === '' ? '/api' : `/apis/${group.name}`;
        return group.versions.map((one) => `${root}/${one.version}`);
      }),
  };
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw methodNotAllowed(exchange.method);
  if (await serveInfo(exchange, state)) return;
  if (await parts.discovery.serve(exchange)) return;
  if (await parts.openApi.serve(exchange)) return;
  await sendUnknownPath(exchange);
}

async function serveKind(
  parts: DispatchParts,
  exchange: Exchange,
  kind: ServedKind,
  info: ResourceRequestInfo,
): Promise<void> {
  const { method } = exchange;
  const { name } = info;
  const namespace = kind.namespaced ? info.namespace : '';
  if (info.subresource !== '') {
    if (kind.namespaced && namespace === '') throw resourceNotFound();
    await serveSubresource(parts, exchange, kind, namespace, info);
  } else if (name === '') {
    await serveCollection(parts, exchange, kind, namespace, info);
  } else {
    if (kind.namespaced && namespace === '') {
      if (method === 'GET') throw resourceNotFound();
      throw methodNotAllowed(method);
    }
    if (method === 'GET') await getObject(parts, exchange, kind, namespace, name);
    else if (method === 'PUT') await putObject(parts, exchange, kind, namespace, name, '');
    else if (method === 'PATCH') await patchObject(parts, exchange, kind, namespace, name, '');
    else if (method === 'DELETE') await deleteObject(parts, exchange, kind, namespace, name);
    else throw methodNotAllowed(method);
  }
}

async function serveCollection(
  parts: DispatchParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  info: ResourceRequestInfo,
): Promise<void> {
  const { method } = exchange;
  const scoped = !kind.namespaced || namespace !== '';
  if (method === 'GET' && info.isWatch) {
    await watchObjects({ ...parts, changed: parts.registry.changeSignal(kind) }, exchange, kind, namespace);
  } else if (method === 'GET') {
    await listObjects(parts, exchange, kind, namespace);
  } else if (method === 'POST' && scoped) {
    await createObject(parts, exchange, kind, namespace);
  } else if (method === 'DELETE' && scoped && kind.verbs.includes('deletecollection')) {
    await deleteCollection(parts, exchange, kind, namespace);
  } else {
    throw methodNotAllowed(method);
  }
}

async function serveSubresource(
  parts: DispatchParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  info: ResourceRequestInfo,
): Promise<void> {
  const { method } = exchange;
  const { name, subresource } = info;
  if (info.segments.length > 1) throw resourceNotFound();
  if (subresource === 'scale' && kind.scale) {
    if (!['GET', 'PUT', 'PATCH'].includes(method)) throw methodNotAllowed(method);
    await serveScale(parts, exchange, kind, kind.scale, namespace, name);
    return;
  }
  const named = kind.subresources.find((one) => one.name === subresource);
  if (!named && !(subresource === 'status' && kind.hasStatus)) throw resourceNotFound();
  if (named?.verbs.includes('create')) {
    if (method !== 'POST') throw methodNotAllowed(method);
    if (subresource === 'binding') await bindPod(parts, exchange, kind, namespace, name);
    else if (subresource === 'eviction') await evictPod(parts, exchange, kind, namespace, name, parts.writer);
    else await serveTokenRequest(parts, exchange, kind, namespace, name);
  } else if (named?.name === 'log') {
    if (method !== 'GET') throw methodNotAllowed(method);
    refuseLog(parts.writer, kind, namespace, name);
  } else if (method === 'GET' && subresource !== 'finalize') {
    await getObject(parts, exchange, kind, namespace, name);
  } else if (method === 'PUT') {
    await putObject(parts, exchange, kind, namespace, name, subresource);
  } else if (method === 'PATCH' && subresource !== 'finalize') {
    await patchObject(parts, exchange, kind, namespace, name, subresource);
  } else {
    throw methodNotAllowed(method);
  }
}
