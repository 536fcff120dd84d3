import type { OpenApiSchema } from './components.ts';

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** What the paths of one kind need to know. */
export interface PathTarget {
  readonly gvk: GroupVersionKind;
  /** Reference to the kind's component, and to its list's. */
  readonly one: OpenApiSchema;
  readonly many: OpenApiSchema;
  readonly patchTypes: readonly string[];
}

type Operation = Record<string, unknown>;

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';

/** Media types a PATCH of a kind may have; strategic merge needs the patch rules that only built-in kinds carry. */
export function patchMediaTypes(builtIn: boolean): string[] {
  const common = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH];
  return builtIn ? [...common, STRATEGIC_MERGE_PATCH] : common;
}

function query(name: string, type: 'string' | 'integer' | 'boolean', description: string): Operation {
  return { name, in: 'query', description, schema: { type, uniqueItems: true } };
}

const WRITE_PARAMETERS = [
  query('dryRun', 'string', 'All: run every check but store nothing.'),
  query('fieldManager', 'string', 'Name of whoever makes the change.'),
  query('fieldValidation', 'string', 'What to do about unknown fields: Ignore, Warn or Strict.'),
];
const DELETE_PARAMETERS = [
  query('dryRun', 'string', 'All: run every check but delete nothing.'),
  query('gracePeriodSeconds', 'integer', 'Seconds until the object is removed.'),
  query('propagationPolicy', 'string', 'What happens to dependents: Background, Foreground or Orphan.'),
];
const LIST_PARAMETERS = [
  query('allowWatchBookmarks', 'boolean', 'Whether a watch may send bookmarks.'),
  query('continue', 'string', 'Token of the next page.'),
  query('fieldSelector', 'string', 'Which fields the objects must have.'),
  query('labelSelector', 'string', 'Which labels the objects must have.'),
  query('limit', 'integer', 'Size of a page.'),
  query('resourceVersion', 'string', 'State to read, or to watch from.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  query('sendInitialEvents', 'boolean', 'Whether a watch begins with what exists.'),
  query('timeoutSeconds', 'integer', 'When the request ends.'),
  query('watch', 'boolean', 'Stream changes instead of listing.'),
];

/** `get`, `put`, `patch` and, for the main resource, `delete` of one object. */
export function itemOperations(target: PathTarget, isSubresource: boolean): Record<string, Operation> {
  const body = { content: { 'application/json': { schema: target.one } }, required: true };
  const patchBody = {
    content: Object.fromEntries(target.patchTypes.map((type) => [type, { schema: { type: 'object' } }])),
    required: true,
  };
  return {
    get: operation(target, 'get', [], target.one),
    put: { ...operation(target, 'put', WRITE_PARAMETERS, target.one), requestBody: body },
    patch: { ...operation(target, 'patch', WRITE_PARAMETERS, target.one), requestBody: patchBody },
    ...(!isSubresource && { delete: operation(target, 'delete', DELETE_PARAMETERS, target.one) }),
  };
}

/** `get` (list and watch), `post` and `delete` of a collection. */
export function collectionOperations(target: PathTarget): Record<string, Operation> {
  return {
    get: operation(target, 'list', LIST_PARAMETERS, target.many),
    post: {
      ...operation(target, 'post', WRITE_PARAMETERS, target.one),
      requestBody: { content: { 'application/json': { schema: target.one } }, required: true },
    },
    delete: operation(target, 'deletecollection', [...DELETE_PARAMETERS, ...LIST_PARAMETERS.slice(1)], target.many),
  };
}

/** `get` (list and watch) across all namespaces. */
export function listOperations(target: PathTarget): Record<string, Operation> {
  return { get: operation(target, 'list', LIST_PARAMETERS, target.many) };
}

function operation(
  target: PathTarget,
  action: string,
  parameters: readonly Operation[],
  reply: OpenApiSchema,
): Operation {
  return {
    parameters,
    responses: { '200': { description: 'OK', content: { 'application/json': { schema: reply } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': target.gvk,
  };
}
