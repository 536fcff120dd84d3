import { apiVersionOf } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { ApiError, badRequest, unspecified } from '../api-error.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { applyServerSide } from '../ssa/apply.ts';
import type { ApplyConflict } from '../ssa/apply.ts';
import { ApplyError } from '../ssa/errors.ts';
import type { ObjectService, UpdateTarget, Updated } from './object-service.ts';
import type { WriteContext } from './write-context.ts';

/** How often an object may appear and vanish under an apply. */
const ATTEMPTS = 5;

export interface ApplyOptions {
  /** Takes over what others own, instead of a 409. */
  readonly force: boolean;
  readonly nowMs: number;
  /** Throws when the user may not create the object, which turns out to be missing. */
  readonly allowCreate: () => void;
}

/** Server-side apply: creates the object, or merges the body into it as the manager that `context` names. */
export async function applyObject(
  service: ObjectService,
  kind: ServedKind,
  target: UpdateTarget,
  body: unknown,
  options: ApplyOptions,
  context: WriteContext,
): Promise<Updated> {
  const applied = relevantPart(kind, target, appliedObject(kind, target, body));
  const make = (live: KubeObject | undefined): KubeObject => {
    const result = merge(kind, target, live, applied, options, context);
    if (result.kind === 'conflict') throw applyConflict(result.conflicts);
    // The cast is safe: applied objects have kind, apiVersion and metadata, and a merge keeps them.
    const object = result.object as KubeObject;
    return { ...object, metadata: { ...object.metadata, managedFields: result.managedFields } };
  };
  const final: WriteContext = { ...context, managedFields: 'asGiven' };
  for (let attempt = 1; ; attempt++) {
    try {
      return await service.update(kind, target, make, final);
    } catch (error) {
      if (!isReason(error, 'NotFound') || target.subresource !== '') throw error;
    }
    options.allowCreate();
    try {
      return { object: await service.create(kind, target.namespace, make(undefined), final), created: true };
    } catch (error) {
      if (!isReason(error, 'AlreadyExists') || attempt === ATTEMPTS) throw error;
    }
  }
}

function isReason(error: unknown, reason: string): boolean {
  return error instanceof ApiError && error.reason === reason;
}

/** Checks what the body says it is; a name may be left out. */
function appliedObject(kind: ServedKind, target: UpdateTarget, body: unknown): KubeObject {
  if (!isObject(body)) throw badRequest('the request needs an object as its body');
  const { apiVersion, kind: kindName, metadata = {} } = body;
  if (apiVersion !== apiVersionOf(kind) || kindName !== kind.kind) {
    throw badRequest(
      `an apply to this path needs apiVersion ${apiVersionOf(kind)} and kind ${kind.kind}, not ${JSON.stringify(apiVersion)} and ${JSON.stringify(kindName)}`,
    );
  }
  if (!isObject(metadata)) throw badRequest('metadata must be an object');
  const { managedFields, name = target.name } = metadata;
  if (Array.isArray(managedFields) && managedFields.length > 0) throw badRequest('metadata.managedFields must be nil');
  if (name !== target.name) {
    throw badRequest(
      `the name of the object (${JSON.stringify(name)}) does not match the name on the URL (${target.name})`,
    );
  }
  const { managedFields: _none, ...rest } = metadata;
  return { ...body, apiVersion, kind: kind.kind, metadata: { ...rest, name: target.name } };
}

/** Without what the path cannot change, so that nobody comes to own it. */
function relevantPart(kind: ServedKind, target: UpdateTarget, applied: KubeObject): KubeObject {
  if (target.subresource === '') {
    const { status, ...rest } = applied;
    return kind.hasStatus || status === undefined ? rest : applied;
  }
  const { apiVersion, kind: kindName, metadata, status } = applied;
  const { name, namespace, uid, resourceVersion } = metadata;
  const identity = { name, namespace, uid, resourceVersion };
  const kept = Object.fromEntries(Object.entries(identity).filter(([, value]) => value !== undefined));
  return { apiVersion, kind: kindName, metadata: kept, ...(status !== undefined && { status }) };
}

function merge(
  kind: ServedKind,
  target: UpdateTarget,
  live: KubeObject | undefined,
  applied: KubeObject,
  options: ApplyOptions,
  context: WriteContext,
): ReturnType<typeof applyServerSide> {
  try {
    return applyServerSide({
      live,
      applied,
      schema: kind.schema,
      manager: context.manager,
      apiVersion: apiVersionOf(kind),
      subresource: target.subresource,
      force: options.force,
      nowMs: options.nowMs,
    });
  } catch (error) {
    if (error instanceof ApplyError) throw unspecified(`failed to create typed patch object: ${error.message}`);
    throw error;
  }
}

function applyConflict(conflicts: readonly ApplyConflict[]): ApiError {
  const byManager = Map.groupBy(conflicts, (one) => one.message);
  const parts = [...byManager].map(([message, [first, ...more]]) =>
    more.length === 0
      ? `${message}: ${first?.field ?? ''}`
      : [
          `${message.replace(/^conflict/, 'conflicts')}:`,
          ...[first, ...more].map((one) => `- ${one?.field ?? ''}`),
        ].join('\n'),
  );
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`;
  return new ApiError({
    code: 409,
    reason: 'Conflict',
    message: `Apply failed with ${count}: ${parts.join('\n')}`,
    details: { causes: [...conflicts] },
  });
}
