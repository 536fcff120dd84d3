import type { KubeObject } from '@godwit/api';
import { expect, it } from 'vitest';
import { quotaStrategy } from './cluster.ts';
import { podStrategy } from './pod.ts';
import { canonicalQuantity } from './quantities.ts';
import type { Strategy } from './served-kind.ts';
import { claimStrategy, volumeStrategy } from './volumes.ts';

it.each([
  ['1024Mi', '1Gi'],
  ['1Gi', '1Gi'],
  ['1500Mi', '1500Mi'],
  ['1000m', '1'],
  ['500m', '500m'],
  ['2000', '2k'],
  ['1000000', '1M'],
  ['0Gi', '0'],
  ['1048576Ki', '1Gi'],
  ['1.5Gi', '1.5Gi'],
])('%s is %s', (given, canonical) => expect(canonicalQuantity(given)).toBe(canonical));

const quota = (hard: object) => ({ hard });
const pod = (requests: object) => ({ containers: [{ name: 'a', image: 'b', resources: { requests } }] });
const claim = (requests: object) => ({ accessModes: ['ReadWriteOnce'], resources: { requests } });
const volume = (capacity: object) => ({ accessModes: ['ReadWriteOnce'], capacity });

function fieldsOf(strategy: Strategy, spec: object): (string | undefined)[] {
  const object: KubeObject = { apiVersion: 'v1', kind: 'Any', metadata: { name: 'a' }, spec };
  strategy.defaults?.(object);
  return (strategy.validate?.(object) ?? []).map(({ field }) => field);
}

it.each<[string, Strategy, object]>([
  ['of a quota', quotaStrategy, quota({ pods: 1, services: 2n ** 60n, 'requests.cpu': '300m', memory: '1.5Gi' })],
  ['of a pod', podStrategy, pod({ cpu: 1, memory: '64Mi' })],
  ['of a claim', claimStrategy, claim({ storage: '1e9' })],
  ['of a volume', volumeStrategy, volume({ storage: '1G' })],
])('quantities %s are let in', (_, strategy, spec) => expect(fieldsOf(strategy, spec)).toEqual([]));

it.each<[string, Strategy, object, string]>([
  ['of a quota', quotaStrategy, quota({ pods: '1', 'requests.memory': '10GB' }), 'spec.hard[requests.memory]'],
  ['below zero', quotaStrategy, quota({ pods: '-1' }), 'spec.hard[pods]'],
  ['that is empty', quotaStrategy, quota({ pods: null }), 'spec.hard[pods]'],
  ['of a pod', podStrategy, pod({ memory: '10GB' }), 'spec.containers[0].resources.requests[memory]'],
  ['of a claim', claimStrategy, claim({ storage: 'much' }), 'spec.resources.requests[storage]'],
  ['of a volume', volumeStrategy, volume({ storage: '1 Gi' }), 'spec.capacity[storage]'],
])('a bad quantity is refused with its field: one %s', (_, strategy, spec, field) =>
  expect(fieldsOf(strategy, spec)).toEqual([field]),
);

it('a claim does not grow to a bad quantity', () => {
  const of = (storage: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {},
    spec: claim({ storage }),
  });
  const [bad, good] = [of('much'), of('1Gi')];
  expect([claimStrategy.validate?.(bad), claimStrategy.validateUpdate?.(bad, good)]).toMatchObject([
    [{ field: 'spec.resources.requests[storage]' }],
    [],
  ]);
});

it('a bad quantity is shown in the reason', () => {
  const object = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: {}, spec: quota({ memory: '10GB' }) };
  expect(quotaStrategy.validate?.(object)?.[0]?.message).toBe(
    'Invalid value: "10GB" is not a quantity such as 500m or 10Gi',
  );
});
