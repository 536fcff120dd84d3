import type { AdmissionRequest, ApiError } from '@godwit/api-server';
import { names, resources } from '@godwit/api';
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

function refusalOf(asked: AdmissionRequest): unknown {
  try {
    void settingsAdmission.validate?.(asked, reader);
    return undefined;
  } catch (error) {
    return error;
  }
}

it('warns about a setting without effect, once, by its path', () => {
  const spec = { configuration: { migrations: { network: 'fast', bandwidthPerMigration: '1Gi' } } };
  expect(settingsAdmission.validate?.(request(spec), reader)).toEqual([
    expect.stringContaining('spec.configuration.migrations.network has no effect here: '),
  ]);
  expect(settingsAdmission.validate?.(request(spec, spec), reader)).toEqual([]);
});

it('warns about values without effect: methods that evict, and feature gates that gate nothing [SLM H5]', () => {
  const gates = (featureGates: string[]): object => ({ configuration: { developerConfiguration: { featureGates } } });
  const methods = (workloadUpdateMethods: string[]): object => ({ workloadUpdateStrategy: { workloadUpdateMethods } });
  const warnings = (spec: object, before?: object) => settingsAdmission.validate?.(request(spec, before), reader);
  expect(warnings(gates(['DecentralizedLiveMigration', 'Sidecar']))).toEqual([
    expect.stringContaining('featureGates[1] has no effect here: there is no feature gate "Sidecar"'),
  ]);
  expect(warnings(methods(['LiveMigrate', 'Evict']))).toEqual([
    expect.stringContaining('spec.workloadUpdateStrategy.workloadUpdateMethods[1] has no effect here: '),
  ]);
  expect(warnings({ ...gates(['LiveMigration', 'ExpandDisks']), ...methods(['LiveMigrate']) })).toEqual([]);
  expect(warnings(methods(['Evict']), methods(['Evict']))).toEqual([]);
});

const migrations = (options: object): object => ({ configuration: { migrations: options } });

it.each<[string, object, string]>([
  ['a negative time-out', migrations({ completionTimeoutPerGiB: -1 }), 'migrations.completionTimeoutPerGiB'],
  ['a negative time without progress', migrations({ progressTimeout: -5 }), 'migrations.progressTimeout'],
  ['a negative bandwidth', migrations({ bandwidthPerMigration: '-1Mi' }), 'migrations.bandwidthPerMigration'],
  ['no downtime at all', migrations({ maxDowntimeMs: 0 }), 'migrations.maxDowntimeMs'],
  ['more downtime than QEMU knows', migrations({ maxDowntimeMs: 2_000_001 }), 'migrations.maxDowntimeMs'],
  [
    'a queue that never moves',
    migrations({ parallelMigrationsPerCluster: 0 }),
    'migrations.parallelMigrationsPerCluster',
  ],
  [
    'a node that never empties',
    migrations({ parallelOutboundMigrationsPerNode: 0 }),
    'migrations.parallelOutboundMigrationsPerNode',
  ],
  ['a taint without a key', migrations({ nodeDrainTaintKey: '' }), 'migrations.nodeDrainTaintKey'],
  ['an unknown eviction strategy', { configuration: { evictionStrategy: 'Pray' } }, 'evictionStrategy'],
  ['an unknown way to roll out', { configuration: { vmRolloutStrategy: 'Later' } }, 'vmRolloutStrategy'],
])('refuses %s, by its path [SLM 1.6]', (_, spec, field) => {
  const causes = [{ field: `spec.configuration.${field}` }];
  expect(refusalOf(request(spec))).toMatchObject({ httpCode: 422, statusDetails: { causes } });
});

it('names every wrong field of a MigrationPolicy at once [SLM 1.7]', () => {
  const experimental = { stallDetector: {}, downtimeTuning: { steps: 0 } };
  const policy: AdmissionRequest = {
    ...request({
      selectors: {},
      bandwidthPerMigration: '-1',
      maxDowntimeMs: -1,
      completionTimeoutPerGiB: -1,
      experimental,
    }),
    resource: resources.migrationPolicies,
  };
  const fields = (refusalOf(policy) as ApiError).statusDetails?.causes?.map(({ field }) => field);
  expect(fields).toEqual([
    'spec.completionTimeoutPerGiB',
    'spec.maxDowntimeMs',
    'spec.bandwidthPerMigration',
    'spec.experimental.downtimeTuning.steps',
    'spec.experimental',
  ]);
});

it('lets in what KubeVirt lets in: 0 is no limit and no time-out', () => {
  const options = { bandwidthPerMigration: '0', completionTimeoutPerGiB: 0, progressTimeout: 0, maxDowntimeMs: 300 };
  expect(refusalOf(request(migrations(options)))).toBeUndefined();
});

it.each(['0', '-1', 'many', ''])('refuses "%s" as the limit of guests that a node takes in', (value) => {
  const asked = request({});
  if (asked.object) asked.object.metadata.annotations = { [names.inboundLimitAnnotation]: value };
  const field = `metadata.annotations[${names.inboundLimitAnnotation}]`;
  expect(refusalOf(asked)).toMatchObject({ httpCode: 422, statusDetails: { causes: [{ field }] } });
  expect(refusalOf({ ...asked, oldObject: asked.object })).toBeUndefined();
  if (asked.object) asked.object.metadata.annotations = { [names.inboundLimitAnnotation]: '4' };
  expect(refusalOf(asked)).toBeUndefined();
});
