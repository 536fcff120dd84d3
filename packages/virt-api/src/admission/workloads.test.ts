import type { AdmissionRequest, ObjectReader } from '@godwit/api-server';
import { names, resources } from '@godwit/api';
import { expect, it } from 'vitest';
import { workloadAdmission } from './workloads.ts';

const apps = (plural: string, kind: string) => ({ group: 'apps', version: 'v1', plural, kind, namespaced: true });

it.each([
  ['a pod', resources.pods, 'CREATE', {}, '', 'this Pod will never start: only virt-launcher pods run on local nodes'],
  ['a launcher', resources.pods, 'CREATE', { [names.appLabel]: 'virt-launcher' }, '', undefined],
  ['a pod that changes', resources.pods, 'UPDATE', {}, '', undefined],
  ['a binding', resources.pods, 'CREATE', {}, 'binding', undefined],
  [
    'a deployment',
    apps('deployments', 'Deployment'),
    'CREATE',
    {},
    '',
    'this Deployment makes no pods: only virt-launcher pods run on local nodes',
  ],
  ['another kind of apps', apps('controllerrevisions', 'ControllerRevision'), 'CREATE', {}, '', undefined],
  ['a virtual machine', resources.virtualMachines, 'CREATE', {}, '', undefined],
])('%s', (_, resource, operation, labels, subresource, warning) => {
  const object = { apiVersion: 'v1', kind: resource.kind, metadata: { name: 'x', labels } };
  // The cast is safe: the plug-in reads these members only.
  const request = { operation, resource, subresource, object } as unknown as AdmissionRequest;
  expect(workloadAdmission.validate?.(request, {} as ObjectReader)).toEqual(warning === undefined ? [] : [warning]);
});
