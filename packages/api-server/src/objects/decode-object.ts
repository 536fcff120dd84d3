import { apiVersionOf } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest, invalid } from '../api-error.ts';
import type { Cause } from '../api-error.ts';
import { badMicroTimes } from '../kinds/cluster.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { objectMetaSchema } from '../schema/builtin/object-meta.ts';
import { pruneAndDefault } from '../schema/prune.ts';
import type { JsonSchema } from '../schema/types.ts';
import { validateSchema } from '../schema/validate.ts';
import type { WriteContext } from './write-context.ts';

const ANYTHING: JsonSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

const MICRO_TIMES: Readonly<Record<string, readonly string[]>> = {
  Lease: ['spec.acquireTime', 'spec.renewTime'],
};

function checkTypeMeta(kind: ServedKind, body: Record<string, unknown>): void {
  const wanted = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  for (const field of ['apiVersion', 'kind'] as const) {
    const given = body[field];
    if (given === undefined || given === '') {
      if (kind.custom) throw badRequest(`Object '${field === 'kind' ? 'Kind' : 'apiVersion'}' is missing`);
    } else if (given !== wanted[field]) {
      throw badRequest(
        `${kind.kind} in version "${wanted.apiVersion}" cannot be handled: the object says ${field} ${JSON.stringify(given)}`,
      );
    }
  }
}

/** Wrong JSON types inside built-in kinds, and inside metadata of any kind, cannot be decoded at all. */
function refuseUndecodable(kind: ServedKind, causes: readonly Cause[]): void {
  const first = causes[0];
  if (first === undefined) return;
  throw badRequest(
    `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${first.field}: ${first.message}`,
  );
}

/**
 * A client's value as an object of the kind, in a fresh copy: type checked, unknown fields dropped (and reported as
 * `fieldValidation` wants), schema defaults and the kind's own defaults filled in. Still holds the managedFields it came
 * with.
 */
export function decodeObject(kind: ServedKind, body: unknown, context: WriteContext): KubeObject {
  if (!isObject(body)) throw badRequest('the request needs an object as its body');
  checkTypeMeta(kind, body);
  if (body['metadata'] !== undefined && !isObject(body['metadata'])) throw badRequest('metadata must be an object');
  const typed = {
    ...structuredClone(body),
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: structuredClone(body['metadata'] ?? {}),
  };
  const { value, pruned } = pruneAndDefault(kind.schema ?? ANYTHING, typed);
  reportFields('unknown', pruned, context);
  // The cast is safe: apiVersion, kind and metadata were just put there, and pruning keeps them.
  const object = value as KubeObject;
  refuseUndecodable(kind, prefixed(validateSchema(objectMetaSchema, object.metadata)));
  if (!kind.custom && kind.schema) {
    const causes = validateSchema(kind.schema, object);
    refuseUndecodable(
      kind,
      causes.filter((cause) => cause.reason === 'FieldValueTypeInvalid'),
    );
  }
  const malformed = badMicroTimes(object, MICRO_TIMES[kind.kind] ?? []);
  if (malformed.length > 0) throw badRequest(`${malformed.join(', ')}: a time with six fractional digits is needed`);
  kind.strategy.defaults?.(object);
  return object;
}

function prefixed(causes: readonly Cause[]): Cause[] {
  return causes.map((cause) => ({ ...cause, field: cause.field === '' ? 'metadata' : `metadata.${cause.field}` }));
}

/** Refuses fields that should not be there, or warns of them, as `fieldValidation` wants. */
export function reportFields(what: 'unknown' | 'duplicate', paths: readonly string[], context: WriteContext): void {
  if (paths.length === 0 || context.fieldValidation === 'Ignore') return;
  const lines = paths.map((path) => `${what} field "${path}"`);
  if (context.fieldValidation === 'Strict') throw badRequest(`strict decoding error: ${lines.join(', ')}`);
  context.warnings.push(...lines);
}

/** Schema violations of a decoded object, apart from those that decoding has refused already. */
export function schemaCauses(kind: ServedKind, object: KubeObject): Cause[] {
  return kind.schema ? validateSchema(kind.schema, object) : [];
}

export function refuseInvalid(kind: ServedKind, object: KubeObject, causes: readonly Cause[]): void {
  if (causes.length === 0) return;
  throw invalid(kind, object.metadata.name ?? object.metadata.generateName ?? '', causes);
}
