import { messageNameOf, messageSchema } from '../schema/builtin/schemas.ts';
import type { JsonSchema } from '../schema/types.ts';

/** A schema as an OpenAPI document spells it. */
export type OpenApiSchema = Record<string, unknown>;

const PACKAGES: Readonly<Record<string, string>> = {
  meta: 'io.k8s.apimachinery.pkg.apis.meta.v1',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
};
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';

/** Collects `components.schemas`: messages of built-in kinds become components of their own, found by `$ref`. */
export class Components {
  readonly schemas: Record<string, OpenApiSchema> = {};

  /** A reference to the component for the message `package.Message`, which is added when it is new. */
  reference(message: string): OpenApiSchema {
    const name = componentName(message);
    if (!this.schemas[name]) {
      // Entered before its members are translated, so that a message that leads back to itself ends there.
      const component: OpenApiSchema = {};
      this.schemas[name] = component;
      const schema = messageSchema(message);
      if (schema) Object.assign(component, this.members(schema));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** A schema in OpenAPI's words, with references where it uses shared messages. */
  translate(schema: JsonSchema): OpenApiSchema {
    const message = messageNameOf(schema);
    if (message !== undefined) return this.reference(message);
    if (schema.format === 'quantity' && schema.anyOf) {
      this.schemas[QUANTITY] ??= { oneOf: [{ type: 'string' }, { type: 'number' }] };
      return { $ref: `#/components/schemas/${QUANTITY}` };
    }
    return this.members(schema);
  }

  /** Like `translate`, for a schema that is itself the component. */
  members(schema: JsonSchema): OpenApiSchema {
    const { properties, additionalProperties, items, allOf, anyOf, oneOf, not, ...rest } = schema;
    const all = (parts: readonly JsonSchema[]): OpenApiSchema[] => parts.map((part) => this.translate(part));
    const result: OpenApiSchema = { ...rest };
    if (properties) {
      result['properties'] = Object.fromEntries(
        Object.entries(properties).map(([key, child]) => [key, this.translate(child)]),
      );
    }
    if (additionalProperties !== undefined) {
      result['additionalProperties'] =
        typeof additionalProperties === 'object' ? this.translate(additionalProperties) : additionalProperties;
    }
    if (items) result['items'] = this.translate(items);
    if (allOf) result['allOf'] = all(allOf);
    if (anyOf) result['anyOf'] = all(anyOf);
    else if (schema['x-kubernetes-int-or-string']) result['anyOf'] = [{ type: 'integer' }, { type: 'string' }];
    if (oneOf) result['oneOf'] = all(oneOf);
    if (not) result['not'] = this.translate(not);
    return result;
  }
}

/** Full name of the component for a message of the built-in tables. */
export function componentName(message: string): string {
  const [pkg = '', name = ''] = message.split('.');
  return `${PACKAGES[pkg] ?? `io.k8s.api.${pkg}.v1`}.${name}`;
}

/** Name of the component for a custom kind: the group's labels reversed. */
export function customComponentName(group: string, version: string, kind: string): string {
  return [...group.split('.').toReversed(), version, kind].join('.');
}
