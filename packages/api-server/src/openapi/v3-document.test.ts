import { describe, expect, it } from 'vitest';
import { openapiV2Protobuf } from './v2.ts';
import { openapiV3Document } from './v3-document.ts';
import { openapiV3Index } from './v3-index.ts';

const widget = {
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
  subresources: { status: true, scale: true },
  builtIn: false,
  schema: {
    type: 'object',
    properties: {
      metadata: { type: 'object' },
      spec: {
        type: 'object',
        description: 'What is wanted.',
        properties: { color: { type: 'string', enum: ['red'] }, port: { 'x-kubernetes-int-or-string': true } },
      },
    },
  },
} as const;
const pod = { kind: 'Pod', plural: 'pods', namespaced: true, subresources: { status: true }, builtIn: true };
const node = { kind: 'Node', plural: 'nodes', namespaced: false, subresources: {}, builtIn: true };

describe('OpenAPI v3', () => {
  const document = openapiV3Document({ group: 'ex.io', version: 'v1' }, [widget]);
  const core = openapiV3Document({ group: '', version: 'v1' }, [pod, node]);

  it('lists documents with their hashes', () => {
    expect(openapiV3Index([{ key: 'api/v1', hash: 'A1' }])).toEqual({
      paths: { 'api/v1': { serverRelativeURL: '/openapi/v3/api/v1?hash=A1' } },
    });
  });

  it('gives kubectl the PATCH operation it looks for', () => {
    const item = document.paths['/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}'];
    expect(item?.['patch']).toMatchObject({
      'x-kubernetes-group-version-kind': { group: 'ex.io', version: 'v1', kind: 'Widget' },
      parameters: expect.arrayContaining([
        expect.objectContaining({ name: 'fieldValidation' }),
        expect.objectContaining({ name: 'dryRun' }),
      ]),
    });
    const types = (paths: typeof core.paths, path: string): string[] =>
      Object.keys((paths[path]!['patch'] as { requestBody: { content: object } }).requestBody.content);
    expect(types(document.paths, '/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}')).not.toContain(
      'application/strategic-merge-patch+json',
    );
    expect(types(core.paths, '/api/v1/namespaces/{namespace}/pods/{name}')).toContain(
      'application/strategic-merge-patch+json',
    );
  });

  it('has a path per collection, object and subresource', () => {
    expect(Object.keys(document.paths)).toEqual([
      '/apis/ex.io/v1/widgets',
      '/apis/ex.io/v1/namespaces/{namespace}/widgets',
      '/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}',
      '/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}/status',
      '/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}/scale',
    ]);
    expect(Object.keys(core.paths)).toContain('/api/v1/nodes/{name}');
  });

  it('describes custom kinds with standard metadata', () => {
    expect(document.components.schemas['io.ex.v1.Widget']).toMatchObject({
      type: 'object',
      'x-kubernetes-group-version-kind': [{ group: 'ex.io', version: 'v1', kind: 'Widget' }],
      properties: {
        apiVersion: { type: 'string' },
        metadata: { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
        spec: {
          description: 'What is wanted.',
          properties: {
            color: { type: 'string', enum: ['red'] },
            port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
          },
        },
      },
    });
    expect(document.components.schemas['io.ex.v1.WidgetList']).toMatchObject({
      properties: { items: { items: { $ref: '#/components/schemas/io.ex.v1.Widget' } } },
    });
  });

  it('describes built-in kinds by references that all lead somewhere', () => {
    expect(core.components.schemas['io.k8s.api.core.v1.PodSpec']).toMatchObject({
      properties: {
        containers: {
          items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
          'x-kubernetes-patch-merge-key': 'name',
        },
      },
    });
    for (const one of [document, core]) {
      const references = [...JSON.stringify(one).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
        (match) => match[1],
      );
      expect(references.length).toBeGreaterThan(5);
      expect(references.filter((name) => !one.components.schemas[name ?? ''])).toEqual([]);
    }
    expect(JSON.stringify(core).length).toBeLessThan(200_000);
  });
});

describe('OpenAPI v2', () => {
  it('is a document without paths', () => {
    const expected = '\x0a\x032.0' + '\x12\x19\x0a\x0aKubernetes\x12\x0bunversioned' + '\x42\x00';
    expect(Buffer.from(openapiV2Protobuf()).toString('latin1')).toBe(expected);
  });
});
