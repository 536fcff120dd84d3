import type { AdmissionRequest } from '@godwit/api-server';
import { resources } from '@godwit/api';
import { expect, it } from 'vitest';
import { settingsAdmission } from './settings.ts';

const reader = { get: () => undefined, list: () => [] };

function request(spec: object, oldSpec?: object): AdmissionRequest {
  const object = (value: object) => ({
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    metadata: { name: 'kubevirt' },
    spec: value,
  });
  return {
    operation: oldSpec ? 'UPDATE' : 'CREATE',
    resource: resources.kubeVirts,
    subresource: '',
    namespace: 'kubevirt',
    name: 'kubevirt',
    object: object(spec),
    oldObject: oldSpec && object(oldSpec),
    user: { username: 'somebody', groups: [] },
    dryRun: false,
  };
}

it('warns about a setting without effect, once, by its path', () => {
  const spec = { configuration: { migrations: { allowPostCopy: true, bandwidthPerMigration: '1Gi' } } };
  expect(settingsAdmission.validate?.(request(spec), reader)).toEqual([
    'spec.configuration.migrations.allowPostCopy has no effect here: post-copy is not implemented',
  ]);
  expect(settingsAdmission.validate?.(request(spec, spec), reader)).toEqual([]);
});
