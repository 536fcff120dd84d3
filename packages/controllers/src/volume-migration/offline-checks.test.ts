import { copyMarks } from '@godwit/api';
import type { Stored, VirtualMachine } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideOffline } from './offline-copy.ts';
import type { OfflineInput } from './offline-copy.ts';
import { offlineMoves } from './offline.ts';
import { GIB, NOW, input, machine, plain, wanted, withMarks, world } from './testing/offline.ts';

describe('what is to be copied', () => {
  it.each<[string, Stored<VirtualMachine>, number]>([
    ['volumes that were re-pointed', wanted(), 1],
    ['nothing after they were set back', machine({ root: 'old' }, { root: 'old' }), 0],
    ['nothing when the new ones are taken as they are', machine({ root: 'new' }, { root: 'old' }, undefined, ''), 0],
    ['nothing of a volume whose claim never held anything', machine({ root: 'new' }, {}), 0],
  ])('%s', (_, vm, count) => expect(offlineMoves(vm)).toHaveLength(count));
});

describe('before a copy begins', () => {
  it('it is ordered in the status, and nothing is written to a claim yet', () => {
    const plan = decideOffline(input(wanted(), world(...plain)), NOW);
    expect(plan.status).toMatchObject({ attempts: 1, volumes: [{ source: 'old', target: 'new', node: 'n1' }] });
    expect(plan.marks).toEqual([]);
    expect(plan.obstacle?.reason).toBe('Copying');
  });

  it.each<[string, OfflineInput, string, string]>([
    ['the target does not exist', input(wanted(), world(['old', {}])), 'TargetNotFound', 'PVC new'],
    ['the source does not exist', input(wanted(), world(['new', {}])), 'SourceNotFound', 'PVC old'],
    [
      'the source is still being filled',
      input(wanted(), world(['old', { marks: { 'cdi.kubevirt.io/storage.import.source': 'http' } }], ['new', {}])),
      'SourceStillFilled',
      'PVC old',
    ],
    [
      'the target is too small',
      input(wanted(), world(['old', {}], ['new', { node: 'n1', size: '512Mi' }])),
      'TargetTooSmall',
      '536870912',
    ],
    [
      'another VM has the target',
      input(wanted(), world(...plain), { usersOf: (name) => (name === 'new' ? ['VirtualMachine x'] : []) }),
      'TargetInUse',
      'VirtualMachine x',
    ],
    [
      'a pod has the source',
      input(wanted(), world(...plain), { usersOf: (name) => (name === 'old' ? ['Pod p'] : []) }),
      'SourceInUse',
      'Pod p',
    ],
    [
      'another copy left marks',
      input(wanted(), withMarks({ [copyMarks.phase]: 'Running' })),
      'TargetInUse',
      'another copy',
    ],
    [
      'its node is not ready',
      input(wanted(), world(...plain), { readyNodes: () => ['n2'] }),
      'NoCommonNode',
      'PVC old',
    ],
    [
      '[different nodes] local storage of two nodes',
      input(wanted(), world(['old', {}], ['new', { node: 'n2' }])),
      'NoCommonNode',
      'n2',
    ],
  ])('it is held: %s', (_, seen, reason, text) => {
    const plan = decideOffline(seen, NOW);
    expect(plan.status).toBeUndefined();
    expect(plan.obstacle).toMatchObject({ reason, message: expect.stringContaining(text) });
  });

  it('a target is big enough for the disk as its guest saw it, however big the claim is that it was moved to', () => {
    const claims = world(['old', { size: '1500Mi' }], ['new', { node: 'n1', size: '1Gi' }]);
    const seen = (bytes: number) => {
      const vm = wanted();
      vm.status = { ...vm.status, lastDiskBytes: { root: bytes } };
      return decideOffline(input(vm, claims), NOW).obstacle?.reason;
    };
    expect(seen(GIB)).toBe('Copying');
    expect(seen(GIB + 1)).toBe('TargetTooSmall');
    expect(decideOffline(input(wanted(), claims), NOW).obstacle?.reason).toBe('TargetTooSmall');
  });

  it('two volumes do not swap claims, nor does one take the place of another', () => {
    const claims = world(['a', {}], ['b', {}], ['c', {}]);
    const swap = decideOffline(input(machine({ x: 'b', y: 'a' }, { x: 'a', y: 'b' }), claims), NOW);
    expect(swap.obstacle?.reason).toBe('TargetHoldsData');
    const chain = decideOffline(input(machine({ x: 'b', y: 'c' }, { x: 'a', y: 'b' }), claims), NOW);
    expect(chain.obstacle?.reason).toBe('TargetHoldsData');
  });

  it('a claim that waits for its first consumer is made on the node of the source', () => {
    const claims = world(['old', {}], ['new', {}]);
    const { pvc } = claims.claims.get('new') ?? {};
    if (pvc)
      Object.assign(pvc, {
        status: { phase: 'Pending' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'local',
          resources: { requests: { storage: '1Gi' } },
        },
      });
    const local = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'local' },
      provisioner: 'godwit.dev/local',
      volumeBindingMode: 'WaitForFirstConsumer',
    } as const;
    const base = input(wanted(), claims);
    const plan = decideOffline({ ...base, claim: (name) => ({ ...base.claim(name), storageClass: local }) }, NOW);
    expect(plan.provision).toEqual([{ claim: 'new', node: 'n1' }]);
    expect(plan.obstacle?.reason).toBe('TargetNotBound');
    expect(plan.status).toBeUndefined();
  });

  it('shared storage is copied by a node that reaches the source', () => {
    const plan = decideOffline(input(wanted(), world(['old', { node: 'n2' }], ['new', { shared: true }])), NOW);
    expect(plan.status?.volumes[0]?.node).toBe('n2');
  });
});
