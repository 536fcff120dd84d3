import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest } from '../api-error.ts';
import { decodeBody, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import { fieldAt, objectAt } from '../kinds/fields.ts';
import type { ScalePaths, ServedKind } from '../kinds/served-kind.ts';
import { readPatch } from './patches.ts';
import { findObject } from './read.ts';
import type { WriteParts } from './write.ts';
import { parseWriteContext } from './write-options.ts';

const plain = (jsonPath: string): string => jsonPath.replace(/^\./, '');

function selectorText(object: KubeObject, paths: ScalePaths): string | undefined {
  if (paths.labelSelectorPath !== undefined) {
    const value = fieldAt(object, plain(paths.labelSelectorPath));
    return typeof value === 'string' ? value : undefined;
  }
  const labels = fieldAt(object, 'spec.selector.matchLabels');
  if (!isObject(labels)) return undefined;
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',');
}

function numberAt(object: KubeObject, jsonPath: string): number | undefined {
  const value = fieldAt(object, plain(jsonPath));
  return typeof value === 'number' ? value : undefined;
}

function scaleOf(object: KubeObject, paths: ScalePaths): object {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(object, paths);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, paths.specReplicasPath) ?? 0 },
    status: { replicas: numberAt(object, paths.statusReplicasPath) ?? 0, ...(selector ? { selector } : {}) },
  };
}

/** `GET`, `PUT` and `PATCH` of `<object>/scale`. */
export async function serveScale(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  paths: ScalePaths,
  namespace: string,
  name: string,
): Promise<void> {
  if (exchange.method === 'GET') {
    await sendValue(exchange, 200, scaleOf(findObject(parts.store, kind, namespace, name), paths));
    return;
  }
  const raw = await readBody(exchange.request);
  const isPatch = exchange.method === 'PATCH';
  const context = parseWriteContext(exchange, isPatch ? 'PatchOptions' : 'UpdateOptions');
  // A Scale has no schema of its own here, so patches of it merge as those of custom kinds do.
  const patch = isPatch ? readPatch({ ...kind, custom: true }, raw, exchange.query) : undefined;
  const body = patch ? undefined : await decodeBody(raw, false);
  const make = (old: KubeObject): unknown => {
    const wanted = patch ? patch(scaleOf(old, paths)) : body;
    const replicas = fieldAt(wanted, 'spec.replicas') ?? 0;
    if (typeof replicas !== 'number') throw badRequest('spec.replicas must be a number');
    const object = structuredClone(old);
    const path = plain(paths.specReplicasPath);
    const at = path.lastIndexOf('.');
    objectAt(object, path.slice(0, at))[path.slice(at + 1)] = replicas;
    const version = fieldAt(wanted, 'metadata.resourceVersion');
    if (typeof version === 'string' && version !== '') object.metadata.resourceVersion = version;
    return object;
  };
  const { object } = await parts.service.update(kind, { namespace, name, subresource: '' }, make, context);
  await sendValue(exchange, 200, scaleOf(object, paths));
}
