import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { ApiError } from '../api-error.ts';
import type { Authorizer } from '../auth/authorization.ts';
import { negotiate } from '../http/accept.ts';
import { decodeBody, readBody } from '../http/body.ts';
import type { RawBody } from '../http/body.ts';
import { duplicateFields } from '../http/duplicate-fields.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { applyObject } from '../objects/apply-object.ts';
import { reportFields } from '../objects/decode-object.ts';
import { parseDeleteOptions } from '../objects/delete-options.ts';
import { removeObject } from '../objects/object-removal.ts';
import type { ObjectService, ServiceParts } from '../objects/object-service.ts';
import type { WriteContext } from '../objects/write-context.ts';
import { Presenter } from './present.ts';
import { APPLY, readApply, readPatch } from './patches.ts';
import { selectPage } from './read.ts';
import { parseReadOptions } from './read-options.ts';
import { parseSelection } from './selection.ts';
import { parseWriteContext } from './write-options.ts';

export interface WriteParts extends ServiceParts {
  readonly service: ObjectService;
  readonly authorizer: Authorizer;
}

/** Sends an object as the Accept header wants it. */
export async function sendObject(
  parts: ServiceParts,
  exchange: Exchange,
  kind: ServedKind,
  code: number,
  object: KubeObject,
): Promise<void> {
  const negotiated = negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const presenter = new Presenter(kind, negotiated, exchange.query, () => parts.clock.now());
  await sendValue(exchange, code, presenter.single(object), negotiated.format);
}

export async function createObject(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
): Promise<void> {
  negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const context = parseWriteContext(exchange, 'CreateOptions');
  const raw = await readBody(exchange.request);
  const body = await decodeBody(raw, !kind.custom);
  reportDuplicates(raw, context);
  const object = await parts.service.create(kind, namespace, body, context);
  await sendObject(parts, exchange, kind, 201, object);
}

export async function putObject(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  name: string,
  subresource: string,
): Promise<void> {
  negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const context = parseWriteContext(exchange, 'UpdateOptions');
  const raw = await readBody(exchange.request);
  const body = await decodeBody(raw, !kind.custom);
  reportDuplicates(raw, context);
  try {
    const { object } = await parts.service.update(kind, { namespace, name, subresource }, () => body, context);
    await sendObject(parts, exchange, kind, 200, object);
  } catch (error) {
    const missing = error instanceof ApiError && error.reason === 'NotFound' && subresource === '';
    if (!missing || !kind.createOnUpdate) throw error;
    requireCreate(parts, exchange, kind, namespace, name);
    const object = await parts.service.create(kind, namespace, named(body, name), context);
    await sendObject(parts, exchange, kind, 201, object);
  }
}

/** Fields that JSON sets twice are treated as unknown ones are. YAML with them is refused anyway. */
function reportDuplicates(raw: RawBody, context: WriteContext): void {
  const isJson = raw.contentType === '' || raw.contentType === 'application/json';
  if (isJson && context.fieldValidation !== 'Ignore') {
    reportFields('duplicate', duplicateFields(raw.bytes.toString()), context);
  }
}

/** PUT and apply may create; whoever does needs the permission for that too. */
function requireCreate(parts: WriteParts, exchange: Exchange, kind: ServedKind, namespace: string, name: string): void {
  const { group, plural } = kind;
  parts.authorizer.require(exchange.user, {
    verb: 'create',
    group,
    resource: plural,
    subresource: '',
    namespace,
    name,
  });
}

function named(body: unknown, name: string): unknown {
  if (!isObject(body)) return body;
  const metadata = isObject(body['metadata']) ? body['metadata'] : {};
  return { ...body, metadata: { ...metadata, name: metadata['name'] ?? name } };
}

export async function patchObject(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  name: string,
  subresource: string,
): Promise<void> {
  negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadata']);
  const raw = await readBody(exchange.request);
  const target = { namespace, name, subresource };
  if (raw.contentType === APPLY) {
    const { body, force } = await readApply(raw, exchange.query);
    const allowCreate = (): void => requireCreate(parts, exchange, kind, namespace, name);
    const options = { force, nowMs: parts.clock.now(), allowCreate };
    const context = parseWriteContext(exchange, 'PatchOptions');
    const { object, created } = await applyObject(parts.service, kind, target, body, options, context);
    await sendObject(parts, exchange, kind, created ? 201 : 200, object);
    return;
  }
  const patch = readPatch(kind, raw, exchange.query);
  const context = parseWriteContext(exchange, 'PatchOptions');
  const { object } = await parts.service.update(kind, target, patch, context);
  await sendObject(parts, exchange, kind, 200, object);
}

export async function deleteObject(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
  name: string,
): Promise<void> {
  const options = parseDeleteOptions(await decodeBody(await readBody(exchange.request), true), exchange.query);
  const context = { ...parseWriteContext(exchange, 'DeleteOptions'), dryRun: options.dryRun };
  const { object, gone } = await removeObject(parts, kind, namespace, name, options, context);
  if (!gone) {
    await sendObject(parts, exchange, kind, 200, object);
    return;
  }
  const group = kind.group === '' ? {} : { group: kind.group };
  const details = { name, ...group, kind: kind.plural, uid: object.metadata.uid };
  await sendValue(exchange, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

export async function deleteCollection(
  parts: WriteParts,
  exchange: Exchange,
  kind: ServedKind,
  namespace: string,
): Promise<void> {
  const { store } = parts;
  const negotiated = negotiate(exchange.header('accept'), ['Table', 'PartialObjectMetadataList']);
  const body = await decodeBody(await readBody(exchange.request), true);
  const options = parseDeleteOptions(body, exchange.query);
  const context = { ...parseWriteContext(exchange, 'DeleteOptions'), dryRun: options.dryRun };
  const selection = parseSelection(kind, exchange.query);
  const page = selectPage(store, kind, namespace, parseReadOptions(exchange.query, false), selection);
  const removed: KubeObject[] = [];
  for (const found of page.objects) {
    const { name = '', uid } = found.metadata;
    try {
      const result = await removeObject(
        parts,
        kind,
        found.metadata.namespace ?? '',
        name,
        { ...options, uid },
        context,
      );
      removed.push(result.object);
    } catch (error) {
      // Somebody else deleted it meanwhile.
      if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
    }
  }
  const presenter = new Presenter(kind, negotiated, exchange.query, () => parts.clock.now());
  await sendValue(
    exchange,
    200,
    presenter.list(removed, { resourceVersion: String(store.revision) }),
    negotiated.format,
  );
}
