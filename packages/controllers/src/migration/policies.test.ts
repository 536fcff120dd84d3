import { describe, expect, it } from 'vitest';
import { matchPolicy, effectiveConfiguration } from './configuration.ts';
import type { MigrationPolicy } from './configuration.ts';
import { recentFailures } from './backoff.ts';
import { storedMigration } from '../virt/testing/objects.ts';

describe('migration policies [SLM 5.4 #67]', () => {
  const policy = (
    name: string,
    vmi: Record<string, string>,
    namespace: Record<string, string> = {},
  ): MigrationPolicy => ({
    apiVersion: 'migrations.kubevirt.io/v1alpha1',
    kind: 'MigrationPolicy',
    metadata: { name },
    spec: {
      selectors: { virtualMachineInstanceSelector: vmi, namespaceSelector: namespace },
      bandwidthPerMigration: '1Gi',
    },
  });
  it.each<[string, MigrationPolicy[], string | undefined]>([
    ['none', [], undefined],
    ['one that does not match', [policy('a', { app: 'other' })], undefined],
    ['one without selectors', [{ ...policy('a', {}), spec: {} }], undefined],
    ['more labels win', [policy('a', { app: 'db' }), policy('b', { app: 'db', tier: 'x' })], 'b'],
    ['of equals, more VMI labels win', [policy('a', {}, { env: 'prod' }), policy('b', { app: 'db' })], 'b'],
    ['then the smaller name', [policy('b', { app: 'db' }), policy('a', { tier: 'x' })], 'a'],
  ])('%s', (_, policies, wanted) =>
    expect(matchPolicy(policies, { app: 'db', tier: 'x' }, { env: 'prod' })?.metadata.name).toBe(wanted),
  );
  it('apply to a guest without labels by its namespace [SLM H13]', () =>
    expect(matchPolicy([policy('a', {}, { env: 'prod' })], {}, { env: 'prod' })?.metadata.name).toBe('a'));
  it('lie over the KubeVirt object, which lies over the defaults', () => {
    const kubeVirt = {
      apiVersion: 'kubevirt.io/v1',
      kind: 'KubeVirt',
      metadata: {},
      spec: { configuration: { migrations: { bandwidthPerMigration: '1Mi', allowPostCopy: true } } },
    };
    expect(effectiveConfiguration(kubeVirt, policy('a', {}))).toMatchObject({
      bandwidthPerMigration: '1Gi',
      allowPostCopy: true,
      allowWorkloadDisruption: true,
      progressTimeout: 150,
    });
  });
  it('bring experimental options along', () => {
    const experimental = { downtimeTuning: { steps: 3 } };
    const configuration = effectiveConfiguration(undefined, { ...policy('a', {}), spec: { experimental } });
    expect(configuration.experimental).toEqual(experimental);
  });
});

describe('back-off after failures [SLM 5.3 #53]', () => {
  const at = (minute: number, phase: 'Failed' | 'Succeeded'): ReturnType<typeof storedMigration> =>
    storedMigration(`f${minute}`, { phase, endedAt: `2026-01-01T00:0${minute}:00Z` });
  const now = Date.parse('2026-01-01T00:05:10Z');
  it.each<[string, ReturnType<typeof storedMigration>[], number, number]>([
    ['no failure', [], 0, 0],
    ['one, ten seconds ago', [at(5, 'Failed')], 1, 10_000],
    ['three in a row', [at(3, 'Failed'), at(4, 'Failed'), at(5, 'Failed')], 3, 70_000],
    ['a success in between', [at(3, 'Failed'), at(4, 'Succeeded'), at(5, 'Failed')], 1, 10_000],
    ['a success last', [at(4, 'Failed'), at(5, 'Succeeded')], 0, 0],
    ['long ago', [at(1, 'Failed')], 1, 0],
  ])('%s', (_, finished, count, delayMs) => expect(recentFailures(finished, now)).toMatchObject({ count, delayMs }));

  const cancelled = {
    migrationUid: 'deleted',
    failed: true,
    abortRequested: true,
    endTimestamp: '2026-01-01T00:05:00Z',
    failureReason: 'The migration was aborted',
  };
  it('counts one that was cancelled by deleting its object [SLM 2.12]', () => {
    const seen = recentFailures([at(3, 'Failed')], now, { record: cancelled });
    expect(seen).toMatchObject({ count: 2, delayMs: 30_000, lastReason: 'The migration was aborted' });
    expect(seen.lastClass).toEqual({ name: 'Aborted', permanent: false });
    expect(recentFailures([], now, { sinceMs: now, record: cancelled }).count).toBe(0);
  });
  it('counts a record once, and none whose failed object somebody removed to have it tried at once', () => {
    const object = at(5, 'Failed');
    const record = { ...cancelled, migrationUid: object.metadata.uid };
    expect(recentFailures([object], now, { record }).count).toBe(1);
    expect(recentFailures([], now, { record: { ...cancelled, abortRequested: false } }).count).toBe(0);
  });
});
