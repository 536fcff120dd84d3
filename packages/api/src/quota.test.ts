import { describe, expect, it } from 'vitest';
import type { Pod } from './core-kinds.ts';
import { exceededQuota, idleQuotaFields, quotaStatus } from './quota.ts';
import type { ResourceQuota } from './quota.ts';

const quota = (hard: Record<string, string>, more: object = {}): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'tight' },
  spec: { hard, ...more },
});
const pod = (requests: Record<string, string>, phase: 'Running' | 'Succeeded' = 'Running'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {},
  spec: { containers: [{ name: 'compute', image: 'x', resources: { requests } }] },
  status: { phase },
});
const guest = pod({ cpu: '500m', memory: '128Mi' });

describe('a quota', () => {
  it.each<[string, Record<string, string>, Pod[], string | undefined]>([
    ['that has room', { pods: '2' }, [guest], undefined],
    ['of pods', { pods: '1' }, [guest], 'exceeded quota: tight, requested: pods=1, used: pods=1, limited: pods=1'],
    ['that ended pods do not use', { 'count/pods': '1' }, [pod({}, 'Succeeded')], undefined],
    [
      'of processors',
      { 'requests.cpu': '900m' },
      [guest],
      'exceeded quota: tight, requested: requests.cpu=500m, used: requests.cpu=500m, limited: requests.cpu=900m',
    ],
    ['of processors that is just enough', { cpu: '1' }, [guest], undefined],
    [
      'of memory, and of pods',
      { memory: '200Mi', pods: '1' },
      [guest],
      'exceeded quota: tight, requested: memory=128Mi,pods=1, used: memory=128Mi,pods=1, limited: memory=200Mi,pods=1',
    ],
    ['of something else', { 'requests.storage': '0' }, [guest], undefined],
  ])('%s', (_, hard, there, wanted) => expect(exceededQuota(quota(hard), there, guest)).toBe(wanted));

  it('counts a limit without a request as a request', () => {
    const limited = pod({});
    limited.spec.containers = [{ name: 'compute', image: 'x', resources: { limits: { memory: '1Gi' } } }];
    expect(exceededQuota(quota({ 'requests.memory': '1Gi' }), [limited], guest)).toMatch(/used: requests.memory=1Gi/);
  });

  it('of tenths of cores has room for exactly as many', () => {
    const tenth = pod({ cpu: '100m' });
    expect(exceededQuota(quota({ cpu: '300m' }), [tenth, tenth], tenth)).toBeUndefined();
    const tenths = Array<Pod>(10).fill(tenth);
    const wanted = 'exceeded quota: tight, requested: cpu=100m, used: cpu=1, limited: cpu=1';
    expect(exceededQuota(quota({ cpu: '1' }), tenths, tenth)).toBe(wanted);
  });

  it('that cannot be read is named, with its field; a pod that cannot be read uses nothing', () => {
    const bad = quota({ pods: '4', 'requests.memory': '10GB' });
    expect(exceededQuota(bad, [], guest)).toBe(
      'quota tight: spec.hard[requests.memory]: "10GB" is not a quantity such as 500m or 10Gi; correct it',
    );
    expect(exceededQuota(quota({ memory: '200Mi' }), [pod({ memory: '10GB' })], guest)).toBeUndefined();
  });

  it('counts what is used of what it limits', () => {
    const status = quotaStatus(quota({ pods: '4', 'requests.memory': '1Gi', 'requests.storage': '1Gi' }), [
      guest,
      guest,
      pod({}, 'Succeeded'),
    ]);
    expect(status).toEqual({
      hard: { pods: '4', 'requests.memory': '1Gi' },
      used: { pods: '2', 'requests.memory': '256Mi' },
    });
  });

  it('with scopes limits nothing, and names what it does not limit', () => {
    const scoped = quota({ pods: '0' }, { scopes: ['BestEffort'] });
    expect(exceededQuota(scoped, [guest], guest)).toBeUndefined();
    expect(idleQuotaFields(scoped)).toEqual(['spec.scopes']);
    expect(idleQuotaFields(quota({ pods: '1', 'limits.cpu': '1' }))).toEqual(['spec.hard[limits.cpu]']);
  });
});
