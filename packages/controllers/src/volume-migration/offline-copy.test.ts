import { copyMarks } from '@godwit/api';
import type { OfflineCopyStatus, Stored, VirtualMachine } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { decideOffline, maxCopies } from './offline-copy.ts';
import {
  GIB,
  HOUR,
  NOW,
  input,
  machine,
  order,
  ordered,
  plain,
  said,
  wanted,
  withMarks,
  world,
} from './testing/offline.ts';
import type { Marks, World } from './testing/offline.ts';

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
