import type { LabelSelector, Pod } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { claim, node, pod, storageClass, volume } from '../testing/objects.ts';
import { decideScheduling } from './decide.ts';
import type { SchedulingSeen } from './decide.ts';

const n1 = node('n1');
const n2 = node('n2');
const base: SchedulingSeen = { pod: pod('p'), nodes: [n1, n2], placed: [], claims: [] };
const selector: LabelSelector = { matchLabels: { app: 'x' } };
const anti = (labelSelector: LabelSelector): Partial<Pod['spec']> => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: 'kubernetes.io/hostname' }],
    },
  },
});
const nodeAffinity = (key: string, operator: string, values?: string[]): Partial<Pod['spec']> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }],
      },
    },
  },
});
const labelled = pod('other', {}, { labels: { app: 'x' } });
const big: Partial<Pod['spec']> = {
  containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '3.5', memory: '7Gi' } } }],
};
const onNode = (name: string) =>
  volume('v', {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }] }],
      },
    },
  });
const boundTo = (name: string) => ({
  name: 'c',
  claim: claim('c', { volumeName: 'v' }),
  volume: onNode(name),
  storageClass: storageClass('local'),
});
const unbound = (annotations: Record<string, string> = {}) => ({
  name: 'c',
  claim: claim('c', { storageClassName: 'local' }, { annotations }),
  volume: undefined,
  storageClass: storageClass('local'),
});

describe('a pod goes to', () => {
  const cases: [string, Partial<SchedulingSeen>, string, string[]][] = [
    ['the first of equals', {}, 'n1', []],
    ['the less loaded', { placed: [{ pod: labelled, node: n1 }] }, 'n2', []],
    ['where its selector says', { pod: pod('p', { nodeSelector: { 'kubernetes.io/hostname': 'n2' } }) }, 'n2', []],
    ['where its affinity says', { pod: pod('p', nodeAffinity('kubernetes.io/hostname', 'NotIn', ['n1'])) }, 'n2', []],
    ['away from those it avoids', { pod: pod('p', anti(selector)), placed: [{ pod: labelled, node: n1 }] }, 'n2', []],
    [
      'away from those that avoid it',
      { pod: labelled, placed: [{ pod: pod('q', anti(selector)), node: n1 }] },
      'n2',
      [],
    ],
    ['a node that is not cordoned', { nodes: [node('n1', { spec: { unschedulable: true } }), n2] }, 'n2', []],
    ['a node that is ready', { nodes: [node('n1', { ready: false }), n2] }, 'n2', []],
    ['where its volume is', { claims: [boundTo('n2')] }, 'n2', []],
    ['anywhere with a claim that waits for it', { claims: [unbound()] }, 'n1', ['c']],
    [
      'where its claim has been placed',
      { claims: [unbound({ 'volume.kubernetes.io/selected-node': 'n2' })] },
      'n2',
      [],
    ],
    [
      'another node when the one its claim was placed on is gone',
      { claims: [unbound({ 'volume.kubernetes.io/selected-node': 'gone' })] },
      'n1',
      ['c'],
    ],
    [
      'a tainted node it tolerates',
      {
        nodes: [node('n1', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } })],
        pod: pod('p', { tolerations: [{ key: 'k', operator: 'Exists' }] }),
      },
      'n1',
      [],
    ],
  ];
  it.each(cases)('%s', (_, changes, target, placeClaims) => {
    expect(decideScheduling({ ...base, ...changes })).toEqual({ do: 'bind', node: target, placeClaims });
  });
});

describe('a pod waits because', () => {
  const taint = [{ key: 'k', value: 'v', effect: 'NoSchedule' }];
  const cases: [string, Partial<SchedulingSeen>, string][] = [
    ['there is no node', { nodes: [] }, 'no nodes available to schedule pods'],
    [
      'nothing is free',
      {
        pod: pod('p', big),
        placed: [
          { pod: labelled, node: n1 },
          { pod: labelled, node: n2 },
        ],
      },
      '0/2 nodes are available: 2 Insufficient cpu.',
    ],
    [
      'every node has its own reason',
      { nodes: [node('n1', { spec: { taints: taint } }), node('n2', { ready: false })] },
      '0/2 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) were not ready.',
    ],
    [
      'the only other node is taken by what it avoids',
      { pod: pod('p', anti(selector)), placed: [{ pod: labelled, node: n1 }], nodes: [n1] },
      "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
    ],
    [
      'its volumes are on different nodes',
      { claims: [boundTo('n1'), boundTo('n2')] },
      "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
    ],
    [
      'a claim does not exist',
      { claims: [{ name: 'c', claim: undefined, volume: undefined, storageClass: undefined }] },
      '0/2 nodes are available: persistentvolumeclaim "c" not found.',
    ],
    [
      'a claim is still to be bound',
      { claims: [{ ...unbound(), storageClass: storageClass('shared') }] },
      '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
    ],
    [
      'a label it needs is nowhere',
      { pod: pod('p', nodeAffinity('gpu', 'Exists')) },
      "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    ],
  ];
  it.each(cases)('%s', (_, changes, message) => {
    expect(decideScheduling({ ...base, ...changes })).toEqual({ do: 'wait', message });
  });
});
