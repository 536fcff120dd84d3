import { copyMarks } from '@godwit/api';
import type { OfflineCopyStatus, PersistentVolume, PersistentVolumeClaim, Stored, VirtualMachine } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { storedVm } from '../virt/testing/objects.ts';
import { boundClaim } from '../virt/testing/cluster.ts';
import { decideOffline, maxCopies } from './offline-copy.ts';
import type { OfflineInput } from './offline-copy.ts';
import { offlineMoves } from './offline.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;
const GIB = 2 ** 30;

type Marks = Record<string, string>;

/** A cluster of two nodes in which claims are by name: `old…` on n1, the rest as told. */
interface World {
  readonly claims: Map<string, { pvc: PersistentVolumeClaim; pv: PersistentVolume | undefined }>;
}

function world(
  ...claims: readonly [string, { node?: string; shared?: boolean; size?: string; marks?: Marks }][]
): World {
  const made = new Map<string, { pvc: PersistentVolumeClaim; pv: PersistentVolume | undefined }>();
  for (const [name, { marks, ...options }] of claims) {
    const [pvc, pv] = boundClaim(name, options);
    // The casts are safe: this is what boundClaim makes.
    const claim = structuredClone(pvc) as PersistentVolumeClaim;
    claim.metadata.annotations = { ...marks };
    made.set(name, { pvc: claim, pv: pv as PersistentVolume });
  }
  return { claims: made };
}

function machine(
  targets: Record<string, string>,
  last: Record<string, string>,
  offlineCopy?: OfflineCopyStatus,
  strategy = 'Migration',
): Stored<VirtualMachine> {
  const vm = storedVm(
    { runStrategy: 'Halted', updateVolumesStrategy: strategy },
    { lastVolumes: last, ...(offlineCopy ? { offlineCopy } : {}) },
  );
  vm.spec.template.spec.volumes = Object.entries(targets).map(([name, claimName]) => ({
    name,
    persistentVolumeClaim: { claimName },
  }));
  return vm;
}

function input(vm: Stored<VirtualMachine>, { claims }: World, more: Partial<OfflineInput> = {}): OfflineInput {
  return {
    vm,
    moves: offlineMoves(vm),
    claim: (name) => ({ pvc: claims.get(name)?.pvc, pv: claims.get(name)?.pv, storageClass: undefined }),
    dataVolume: () => undefined,
    usersOf: () => [],
    readyNodes: () => ['n1', 'n2'],
    ...more,
  };
}

const plain: [string, object][] = [
  ['old', {}],
  ['new', { node: 'n1' }],
];
const wanted = (copy?: OfflineCopyStatus): Stored<VirtualMachine> => machine({ root: 'new' }, { root: 'old' }, copy);
const ordered: OfflineCopyStatus = {
  id: '1',
  attempts: 1,
  volumes: [{ volumeName: 'root', source: 'old', target: 'new', node: 'n1' }],
};
const order: Marks = { [copyMarks.source]: 'old', [copyMarks.id]: '1', [copyMarks.node]: 'n1' };
const said = (phase: string, message = 'why'): Marks => ({
  ...order,
  [copyMarks.reportId]: '1',
  [copyMarks.phase]: phase,
  [copyMarks.message]: message,
});
const withMarks = (marks: Marks): World => world(['old', {}], ['new', { node: 'n1', marks }]);

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

describe('an ordered copy', () => {
  it('is asked of the node', () => {
    const plan = decideOffline(input(wanted(ordered), world(...plain)), NOW);
    expect(plan.marks).toEqual([{ claim: 'new', annotations: order }]);
    expect(plan.obstacle?.reason).toBe('Copying');
    const vm = wanted(ordered);
    vm.status = { ...vm.status, lastDiskBytes: { root: GIB } };
    const [marks] = decideOffline(input(vm, world(...plain)), NOW).marks;
    expect(marks?.annotations).toEqual({ ...order, [copyMarks.bytes]: String(GIB) });
  });

  it('shows how far it is, and a node that does not answer', () => {
    const claims = withMarks({ ...said('Running'), [copyMarks.progress]: '42.0%' });
    expect(decideOffline(input(wanted(ordered), claims), NOW)).toMatchObject({
      marks: [],
      status: { volumes: [{ phase: 'Running', progress: '42.0%' }] },
      obstacle: { message: expect.stringContaining('42.0%') },
    });
    const lost = decideOffline(input(wanted(ordered), claims, { readyNodes: () => ['n2'] }), NOW);
    expect(lost.obstacle).toMatchObject({
      reason: 'CopyNodeSilent',
      message: expect.stringMatching(
        /^Node n1 has begun.*root from old to new.*does not answer.*kubectl annotate pvc new -n \S+ godwit\.dev\/copy-from- godwit\.dev\/copy-id- .*copy-progress-/,
      ),
    });
    expect(lost.status?.failure).toBeUndefined();
  });

  it('goes to another node when its own does not answer before it has begun, or was declared dead', () => {
    const away = { readyNodes: () => ['n2'] };
    const shared = (marks: Marks): World => world(['old', { shared: true }], ['new', { shared: true, marks }]);
    const failed = decideOffline(input(wanted(ordered), shared(order), away), NOW);
    expect(failed.status?.failure?.message).toContain('node n1 does not answer');
    expect(failed.marks).toEqual([{ claim: 'new', annotations: expect.objectContaining({ [copyMarks.id]: null }) }]);
    // A human has taken the marks of a copy away that had begun.
    const declared = decideOffline(input(wanted(ordered), shared({}), away), NOW);
    expect(declared).toMatchObject({ marks: [], status: { failure: { message: expect.stringContaining('n1') } } });
    const next = decideOffline(input(wanted(declared.status), shared({}), away), NOW + HOUR);
    expect(next.status).toMatchObject({ attempts: 2, volumes: [{ node: 'n2' }] });
  });

  it('is committed when every volume is copied, and not before', () => {
    const both: OfflineCopyStatus = {
      ...ordered,
      volumes: [...ordered.volumes, { volumeName: 'data', source: 'old2', target: 'new2', node: 'n1' }],
    };
    const vm = machine({ root: 'new', data: 'new2' }, { root: 'old', data: 'old2' }, both);
    const claims = (second: string): World =>
      world(
        ['old', {}],
        ['old2', {}],
        ['new', { marks: said('Succeeded') }],
        ['new2', { marks: { ...said(second), [copyMarks.source]: 'old2' } }],
      );
    expect(decideOffline(input(vm, claims('Running')), NOW).copied).toBeUndefined();
    expect(decideOffline(input(vm, claims('Succeeded')), NOW)).toMatchObject({
      copied: { root: 'new', data: 'new2' },
      status: { id: '1' },
    });
  });

  it('what a report says of an earlier attempt does not count', () => {
    const claims = withMarks({ ...order, [copyMarks.reportId]: '0', [copyMarks.phase]: 'Succeeded' });
    expect(decideOffline(input(wanted(ordered), claims), NOW).copied).toBeUndefined();
  });

  it('after the commit its marks are cleared away, then it is forgotten and the VM may start', () => {
    const done = machine({ root: 'new' }, { root: 'new' }, ordered);
    const first = decideOffline(input(done, withMarks(said('Succeeded'))), NOW);
    expect(first.status).toBeDefined();
    expect(first.marks[0]?.annotations).toMatchObject({ [copyMarks.phase]: null, [copyMarks.source]: null });
    const last = decideOffline(input(done, world(...plain)), NOW);
    expect(last).toMatchObject({ status: undefined, marks: [] });
    expect(last.obstacle).toBeUndefined();
  });
});

describe('[SLM 11] a copy that is not wanted any more', () => {
  const back = (): Stored<VirtualMachine> => machine({ root: 'old' }, { root: 'old' }, ordered);
  it('is taken back from the node, which the VM waits for', () => {
    const plan = decideOffline(input(back(), withMarks(said('Running'))), NOW);
    expect(plan.marks).toEqual([{ claim: 'new', annotations: { [copyMarks.source]: null } }]);
    expect(plan.obstacle?.reason).toBe('CopyEnding');
    const { [copyMarks.source]: _taken, ...rest } = said('Running');
    const waits = decideOffline(input(back(), withMarks(rest)), NOW);
    expect(waits.marks).toEqual([]);
    expect(waits.status).toBeDefined();
    const silent = decideOffline(input(back(), withMarks(rest), { readyNodes: () => ['n2'] }), NOW);
    expect(silent.obstacle).toMatchObject({
      reason: 'CopyNodeSilent',
      message: expect.stringContaining('pvc new'),
    });
  });

  it('before any node has begun it is gone at once', () => {
    const plan = decideOffline(input(back(), withMarks(order)), NOW);
    expect(plan.marks[0]?.annotations).toMatchObject({ [copyMarks.source]: null, [copyMarks.id]: null });
    expect(decideOffline(input(back(), world(...plain)), NOW).status).toBeUndefined();
  });

  it('its target may be gone', () =>
    expect(decideOffline(input(back(), world(['old', {}])), NOW).status).toBeUndefined());

  it('a third claim ends it and begins another one', () => {
    const third = machine({ root: 'third' }, { root: 'old' }, ordered);
    const claims = world(['old', {}], ['new', { marks: said('Running') }], ['third', {}]);
    expect(decideOffline(input(third, claims), NOW).obstacle?.reason).toBe('CopyEnding');
  });
});

describe('[SLM 12] a copy that failed', () => {
  const failed = (attempts: number, permanent = false): OfflineCopyStatus => ({
    ...ordered,
    attempts,
    failure: { at: rfc3339(NOW), message: 'EIO', ...(permanent ? { permanent } : {}) },
  });

  it('keeps its reason, clears up, and waits longer each time', () => {
    const first = decideOffline(input(wanted(ordered), withMarks(said('Failed', 'EIO'))), NOW);
    expect(first.status?.failure?.message).toContain('EIO');
    expect(first.obstacle).toMatchObject({ reason: 'CopyBackoff', message: expect.stringContaining('EIO') });
    expect(first.marks[0]?.annotations).toMatchObject({ [copyMarks.phase]: null });
    const clean = world(...plain);
    const waits = (attempts: number, ms: number) =>
      decideOffline(input(wanted(failed(attempts)), clean), NOW + ms).status?.attempts === attempts;
    expect([waits(1, 19_000), waits(1, 20_000), waits(2, 39_000), waits(2, 40_000)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('is not tried again before everything of it is cleared away', () => {
    const plan = decideOffline(input(wanted(failed(1)), withMarks(said('Running'))), NOW + HOUR);
    expect(plan.status?.attempts).toBe(1);
    expect(plan.marks).toEqual([{ claim: 'new', annotations: { [copyMarks.source]: null } }]);
    const silent = { readyNodes: () => ['n2'] };
    const waits = decideOffline(input(wanted(failed(1)), withMarks(said('Running')), silent), NOW + HOUR);
    expect(waits.obstacle?.reason).toBe('CopyNodeSilent');
  });

  it('is another attempt with another name', () => {
    const plan = decideOffline(input(wanted(failed(1)), world(...plain)), NOW + HOUR);
    expect(plan.status?.attempts).toBe(2);
    expect(plan.status?.failure).toBeUndefined();
    expect(plan.status?.id).not.toBe('1');
  });

  it.each<[string, OfflineCopyStatus, string]>([
    ['after the last attempt', failed(maxCopies), 'RetriesExhausted'],
    ['when no attempt can help', failed(1, true), 'CopyRefused'],
  ])('ends with a reason %s', (_, copy, reason) => {
    const plan = decideOffline(input(wanted(copy), world(...plain)), NOW + HOUR);
    expect(plan.obstacle).toMatchObject({ reason, message: expect.stringContaining('EIO') });
    expect(plan.gaveUp).toBe(true);
    // Never started on half a copy.
    expect(plan.status).toBeDefined();
  });

  it('fails when one of its claims is deleted meanwhile', () => {
    const gone = decideOffline(input(wanted(ordered), world(['new', { marks: said('Running') }])), NOW);
    expect(gone.status?.failure?.message).toContain('PVC old');
    expect(decideOffline(input(wanted(ordered), world(['old', {}])), NOW).status?.failure?.message).toContain(
      'PVC new',
    );
  });
});
