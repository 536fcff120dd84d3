import { describe, expect, it } from 'vitest';
import { builtInSchema } from './builtin/kinds.ts';
import { objectMetaSchema } from './builtin/object-meta.ts';
import { pruneAndDefault } from './prune.ts';
import type { JsonSchema } from './types.ts';
import { validateSchema } from './validate.ts';

function schemaOf(kind: string, group = ''): JsonSchema {
  const schema = builtInSchema(group, 'v1', kind);
  if (!schema) throw new Error(`no schema for ${kind}`);
  return schema;
}
const at = (schema: JsonSchema, ...path: string[]): JsonSchema | undefined =>
  path.reduce<JsonSchema | undefined>((here, key) => (key === '[]' ? here?.items : here?.properties?.[key]), schema);

const served: [string, string[]][] = [
  [
    '',
    'ConfigMap Secret Namespace Node Pod PersistentVolumeClaim PersistentVolume Service Endpoints ServiceAccount Event Binding ResourceQuota LimitRange'.split(
      ' ',
    ),
  ],
  ['apps', ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet']],
  ['batch', ['Job', 'CronJob']],
  ['autoscaling', ['Scale']],
  ['policy', ['Eviction', 'PodDisruptionBudget']],
  ['storage.k8s.io', ['StorageClass', 'CSIDriver', 'CSINode', 'VolumeAttachment']],
  ['scheduling.k8s.io', ['PriorityClass']],
  ['coordination.k8s.io', ['Lease']],
  ['events.k8s.io', ['Event']],
  ['discovery.k8s.io', ['EndpointSlice']],
  ['rbac.authorization.k8s.io', ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding']],
  ['authentication.k8s.io', ['TokenRequest', 'TokenReview', 'SelfSubjectReview']],
  [
    'authorization.k8s.io',
    'SubjectAccessReview SelfSubjectAccessReview LocalSubjectAccessReview SelfSubjectRulesReview'.split(' '),
  ],
  ['certificates.k8s.io', ['CertificateSigningRequest']],
  ['admissionregistration.k8s.io', ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']],
  ['apiextensions.k8s.io', ['CustomResourceDefinition']],
  ['apiregistration.k8s.io', ['APIService']],
];

describe('schemas of built-in kinds', () => {
  it.each(served.flatMap(([group, kinds]) => kinds.map((kind) => [group, kind])))('knows %s %s', (group, kind) => {
    expect(at(schemaOf(kind, group), 'metadata')).toBe(objectMetaSchema);
  });
  it('knows no other version or kind', () => {
    expect(builtInSchema('apps', 'v1beta1', 'Deployment')).toBeUndefined();
    expect(builtInSchema('', 'v1', 'Widget')).toBeUndefined();
  });

  it('carries merge keys', () => {
    expect(at(schemaOf('Pod'), 'spec', 'containers')).toMatchObject({
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    });
    expect(at(schemaOf('Pod'), 'spec', 'volumes')).toMatchObject({ 'x-kubernetes-patch-strategy': 'merge,retainKeys' });
    expect(at(schemaOf('Service'), 'spec', 'ports')).toMatchObject({
      'x-kubernetes-patch-merge-key': 'port',
      'x-kubernetes-list-map-keys': ['port', 'protocol'],
    });
    expect(at(schemaOf('Service'), 'spec', 'ports', '[]', 'protocol')).toEqual({ type: 'string', default: 'TCP' });
    expect(objectMetaSchema.properties?.['finalizers']).toMatchObject({ 'x-kubernetes-patch-strategy': 'merge' });
    expect(at(schemaOf('Deployment', 'apps'), 'spec', 'strategy')).toMatchObject({
      type: 'object',
      'x-kubernetes-patch-strategy': 'retainKeys',
    });
  });

  it('inlines embedded messages', () => {
    expect(at(schemaOf('Pod'), 'spec', 'volumes', '[]', 'persistentVolumeClaim', 'claimName')).toEqual({
      type: 'string',
    });
    expect(at(schemaOf('PersistentVolume'), 'spec', 'local', 'path')).toEqual({ type: 'string' });
    expect(at(schemaOf('Pod'), 'spec', 'containers', '[]', 'livenessProbe', 'httpGet', 'port')).toEqual({
      'x-kubernetes-int-or-string': true,
    });
  });

  it('finds unknown fields and wrong types of a pod', () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', creationTimestamp: null, colour: 'red' },
      spec: {
        containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: 1, memory: '1Gi' } }, nope: 1 }],
        volumes: [{ name: 'v', emptyDir: {} }],
        hostNetwork: 'yes',
      },
    };
    const { value, pruned } = pruneAndDefault(schemaOf('Pod'), pod);
    expect(pruned.toSorted()).toEqual(['metadata.colour', 'spec.containers[0].nope']);
    expect(validateSchema(schemaOf('Pod'), value)).toEqual([
      expect.objectContaining({ reason: 'FieldValueTypeInvalid', field: 'spec.hostNetwork' }),
    ]);
  });

  it('wants six fractional digits in leases and strings in config maps', () => {
    const lease = { spec: { renewTime: '2024-01-01T00:00:00Z' } };
    expect(validateSchema(schemaOf('Lease', 'coordination.k8s.io'), lease)).toHaveLength(1);
    lease.spec.renewTime = '2024-01-01T00:00:00.000001Z';
    expect(validateSchema(schemaOf('Lease', 'coordination.k8s.io'), lease)).toEqual([]);
    expect(validateSchema(schemaOf('ConfigMap'), { data: { a: 1 } })).toEqual([
      expect.objectContaining({ reason: 'FieldValueTypeInvalid', field: 'data.a' }),
    ]);
  });

  it('requires fields of specs but not of status', () => {
    expect(validateSchema(schemaOf('Pod'), { spec: {} })).toEqual([
      { reason: 'FieldValueRequired', field: 'spec.containers', message: 'Required value' },
    ]);
    expect(validateSchema(schemaOf('Pod'), { status: { containerStatuses: [{ name: 'c' }] } })).toEqual([]);
  });
});
