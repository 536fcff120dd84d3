import type { KubeObject } from '@godwit/api';
import type { TestCluster } from './cluster.ts';

export const widgetCrd: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.ex.io' },
  spec: {
    group: 'ex.io',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', shortNames: ['wd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        additionalPrinterColumns: [
          { name: 'Color', type: 'string', jsonPath: '.spec.color' },
          { name: 'Note', type: 'string', jsonPath: '.spec.note' },
          { name: 'Max', type: 'integer', jsonPath: '.spec.max', priority: 1 },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['color'],
                properties: {
                  color: { type: 'string', enum: ['red', 'blue'], description: 'What it looks like.' },
                  note: { type: 'string' },
                  replicas: { type: 'integer', default: 1, minimum: 0 },
                  max: { type: 'integer', default: 10 },
                  items: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, v: { type: 'string' } },
                    },
                  },
                  tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
                },
              },
              status: {
                type: 'object',
                properties: {
                  replicas: { type: 'integer' },
                  conditions: {
                    type: 'array',
                    items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  },
                },
              },
            },
          },
        },
      },
      {
        name: 'v1alpha1',
        served: true,
        storage: false,
        deprecated: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
};

export const C = '/api/v1/namespaces/t/configmaps';
export const W = '/apis/ex.io/v1/namespaces/t/widgets';

export function configMap(name: string, data: Record<string, unknown> = {}, metadata: object = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data };
}

export function widget(name: string, spec: object = { color: 'red' }, metadata: object = {}): object {
  return { apiVersion: 'ex.io/v1', kind: 'Widget', metadata: { name, ...metadata }, spec };
}

/** Namespace `t` and the widgets. */
export const fixtures: readonly KubeObject[] = [
  widgetCrd,
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 't' } },
];

/** Waits until a path answers with a code. */
export async function eventually(cluster: TestCluster, path: string, code: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const reply = await cluster.call('GET', path);
    if (reply.code === code) return;
    if (Date.now() > deadline) throw new Error(`${path} answers ${reply.code}, not ${code}: ${reply.text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
