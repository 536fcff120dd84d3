import { expect, it } from 'vitest';
import { node, pod } from '../testing/objects.ts';
import { storedMigration, storedPod } from '../virt/testing/objects.ts';
import { arrivals } from './observe.ts';
import { explain, placements } from './placements.ts';
import type { PlacementInput } from './placements.ts';

const guest = { app: 'vm1' };
const apart = {
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: guest }, topologyKey: 'kubernetes.io/hostname' },
    ],
  },
};
const nodes = [
  node('n1'),
  node('n2', { spec: { unschedulable: true } }),
  node('n3', { ready: false }),
  node('n4', { labels: { cpu: 'old' } }),
  node('n5', { labels: { cpu: 'new' }, cpu: '0' }),
  node('n6', { labels: { cpu: 'new' } }),
  node('n7', { labels: { cpu: 'new' }, spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } }),
];
const input = (changes: Partial<PlacementInput> = {}): PlacementInput => ({
  pod: pod('target', { affinity: apart, nodeSelector: { cpu: 'new' } }),
  nodes: nodes.map((one) => (one.metadata.name === 'n1' ? node('n1', { labels: { cpu: 'new' } }) : one)),
  placed: [{ pod: pod('source', {}, { labels: guest }), node: node('n1') }],
  claims: [],
  ...changes,
});

it('names the nodes that fit, and says of every other why not', () => {
  const found = placements(input());
  expect(found.fitting).toEqual(['n6']);
  expect(explain(input(), found, 'n1')).toBe(
    '1/7 nodes can take the guest in: n1 is where the guest runs; n2 is unschedulable; n3 is not ready; n4 lacks label cpu=new; n5 has Insufficient cpu; n7 has untolerated taint {k: v}',
  );
});

it('a pod whose requests nobody can read stops no other', () => {
  const unread = pod('other', {});
  Object.assign(unread.spec.containers[0] ?? {}, { resources: { requests: { cpu: 'much', memory: '10GB' } } });
  const placed = [...input().placed, { pod: unread, node: node('n6') }];
  expect(placements(input({ placed })).fitting).toEqual(['n6']);
});

it('a node that takes in enough guests is left alone', () => {
  const full = { limit: 2, arriving: new Map([['n6', 2]]) };
  expect(placements(input({ inbound: full })).fitting).toEqual([]);
  expect(placements(input({ inbound: { ...full, limit: 3 } })).fitting).toEqual(['n6']);
});

it('counts guests on their way by the pods that wait for them', () => {
  const target = (name: string, job: string, on?: string) =>
    storedPod(name, { labels: { 'kubevirt.io/migrationJobUID': job }, ...(on === undefined ? {} : { node: on }) });
  const pods = [
    target('a', 'uid-m1', 'n1'),
    target('b', 'uid-m2', 'n1'),
    target('finished', 'uid-m3', 'n1'),
    target('unplaced', 'uid-m4'),
    storedPod('guest', { node: 'n1' }),
  ];
  const migrations = [
    storedMigration('m1', { phase: 'Running' }),
    storedMigration('m2', { phase: 'Scheduling' }),
    storedMigration('m3', { phase: 'Succeeded' }),
    storedMigration('m4', { phase: 'Scheduling' }),
  ];
  const of = (one: (typeof pods)[number]) => one.spec.nodeName;
  expect(arrivals(pods, migrations, of)).toEqual(new Map([['n1', 2]]));
  expect(arrivals(pods, migrations, of, 'uid-m2')).toEqual(new Map([['n1', 1]]));
});
