import { builtInMessage, builtInSchema } from '../schema/builtin/kinds.ts';
import type { JsonSchema } from '../schema/types.ts';
import { componentName, Components, customComponentName } from './components.ts';
import type { OpenApiSchema } from './components.ts';
import { collectionOperations, itemOperations, listOperations, patchMediaTypes } from './operations.ts';
import type { PathTarget } from './operations.ts';

export interface OpenApiKind {
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Absent for built-in kinds, whose schema is known here, and for kinds that may hold anything. */
  readonly schema?: JsonSchema | undefined;
  readonly subresources: { readonly status?: boolean; readonly scale?: boolean };
  readonly builtIn: boolean;
}

export interface OpenApiDocument {
  readonly openapi: '3.0.0';
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, unknown>>;
  readonly components: { readonly schemas: Record<string, OpenApiSchema> };
}

const API_VERSION: JsonSchema = {
  type: 'string',
  description: 'Group and version of this representation, such as apps/v1.',
};
const KIND: JsonSchema = { type: 'string', description: 'Kind of object this is.' };

/** Body of `GET /openapi/v3/<key>`: the paths and schemas of every kind of one group version. */
export function openapiV3Document(
  { group, version }: { readonly group: string; readonly version: string },
  kinds: readonly OpenApiKind[],
): OpenApiDocument {
  const components = new Components();
  const paths: Record<string, Record<string, unknown>> = {};
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  for (const kind of kinds) {
    const target = describe(kind, group, version, components);
    const collection = `${base}/${kind.namespaced ? 'namespaces/{namespace}/' : ''}${kind.plural}`;
    const namespace = kind.namespaced ? [pathParameter('namespace')] : [];
    if (kind.namespaced) paths[`${base}/${kind.plural}`] = listOperations(target);
    paths[collection] = { ...collectionOperations(target), ...withParameters(namespace) };
    const inItem = withParameters([pathParameter('name'), ...namespace]);
    paths[`${collection}/{name}`] = { ...itemOperations(target, false), ...inItem };
    if (kind.subresources.status) {
      paths[`${collection}/{name}/status`] = { ...itemOperations(target, true), ...inItem };
    }
    if (kind.subresources.scale) {
      paths[`${collection}/{name}/scale`] = { ...itemOperations(scaleTarget(components), true), ...inItem };
    }
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'unversioned' },
    paths,
    components: { schemas: components.schemas },
  };
}

/** Adds the components of a kind and of its list. */
function describe(kind: OpenApiKind, group: string, version: string, components: Components): PathTarget {
  const message = kind.builtIn ? builtInMessage(group, version, kind.kind) : undefined;
  const name = message === undefined ? customComponentName(group, version, kind.kind) : componentName(message);
  const gvk = { group, version, kind: kind.kind };
  const schema = kind.schema ?? builtInSchema(group, version, kind.kind) ?? FREE;
  components.schemas[name] = {
    ...components.members(schema),
    properties: {
      ...properties(components, schema),
      apiVersion: components.translate(API_VERSION),
      kind: components.translate(KIND),
      metadata: components.reference('meta.ObjectMeta'),
    },
    'x-kubernetes-group-version-kind': [gvk],
  };
  const one = { $ref: `#/components/schemas/${name}` };
  components.schemas[`${name}List`] = {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: components.translate(API_VERSION),
      items: { type: 'array', items: one },
      kind: components.translate(KIND),
      metadata: components.reference('meta.ListMeta'),
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: `${kind.kind}List` }],
  };
  const many = { $ref: `#/components/schemas/${name}List` };
  return { gvk, one, many, patchTypes: patchMediaTypes(kind.builtIn) };
}

const FREE: JsonSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

function properties(components: Components, schema: JsonSchema): Record<string, OpenApiSchema> {
  const entries = Object.entries(schema.properties ?? {});
  return Object.fromEntries(entries.map(([key, child]) => [key, components.translate(child)]));
}

function scaleTarget(components: Components): PathTarget {
  const one = components.reference('autoscaling.Scale');
  const gvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  return { gvk, one, many: one, patchTypes: patchMediaTypes(false) };
}

function withParameters(parameters: readonly object[]): { parameters?: readonly object[] } {
  return parameters.length === 0 ? {} : { parameters };
}

function pathParameter(name: string): object {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}
