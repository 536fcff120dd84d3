import type { VirtualMachineInstance } from '@godwit/api';
import { names } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { classOf, refusal } from '../testing/checks.ts';
import type { Changes } from '../testing/checks.ts';

describe('the size of a target [SLM 6.5 #1, #11]', () => {
  const GIB = 2 ** 30;
  const request = (storage: string) => ({ resources: { requests: { storage } } });
  const disk = (size: number): VirtualMachineInstance['status'] => ({ volumeStatus: [{ name: 'root', size }] });

  it.each<[string, Changes]>([
    [
      '1G device to 1G device',
      { claims: { new: { ...request('1G'), volumeMode: 'Block' } }, status: disk(1000001536) },
    ],
    ['unbound, of the same request', { claims: { new: { phase: 'Pending' } }, status: disk(GIB) }],
    ['bigger', { claims: { new: request('2Gi') }, status: disk(GIB) }],
  ])('%s fits', (_, changes) => expect(refusal(changes)).toBeUndefined());

  it('slightly smaller because of rounding: it is expanded, and waited for', () => {
    const small = { ...request('1G'), capacity: '1G' };
    const found = refusal({ claims: { new: small }, expandable: true, status: disk(1000001536) });
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetExpanding' });
    expect(found?.expand).toEqual([{ claim: 'new', size: '954Mi' }]);
    const asked = { ...request('954Mi'), capacity: '1G' };
    const waiting = refusal({ claims: { new: asked }, expandable: true, status: disk(1000001536) });
    expect(waiting?.reason).toBe('TargetExpanding');
    expect(waiting).not.toHaveProperty('expand');
    expect(refusal({ claims: { new: { ...asked, capacity: '954Mi' } }, status: disk(1000001536) })).toBeUndefined();
  });

  it.each<[string, Changes, string]>([
    ['its class does not let it grow', { status: disk(GIB + 4096) }, 'storage class (none) does not allow'],
    ['half of the disk', { status: disk(2 * GIB), expandable: true }, 'Set it to at least 2Gi'],
    [
      'not bound',
      { status: disk(GIB + 4096), expandable: true, claims: { new: { phase: 'Pending' } } },
      'Create the claim anew with at least 1025Mi',
    ],
  ])('is refused before any copying, with numbers and remedy: %s', (_, changes, remedy) => {
    const found = refusal(changes);
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetTooSmall' });
    expect(found?.message).toContain('PVC new, spec.resources.requests.storage: it offers 1073741824 bytes');
    expect(found?.message).toContain(remedy);
    expect(found).not.toHaveProperty('expand');
  });

  it('a claim that somebody else uses is not even expanded', () => {
    const found = refusal({ status: disk(GIB + 4096), expandable: true, usersOf: () => ['Pod backup'] });
    expect(found).toMatchObject({ reason: 'TargetInUse', message: expect.stringContaining('expanded to 1025Mi') });
    expect(found).not.toHaveProperty('expand');
  });

  it('needs room for all targets that the node of the guest is to make, together [SLM 6.5 #1]', () => {
    const changes: Changes = {
      wanted: { root: 'a-new', data: 'b-new' },
      running: { root: 'a', data: 'b' },
      claims: { 'a-new': { phase: 'Pending' }, 'b-new': { phase: 'Pending' } },
      storageClass: classOf(names.provisioner),
      inPlace: true,
    };
    const found = refusal({ ...changes, free: 2 ** 30 });
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetPoolFull' });
    expect(found?.message).toContain('PVC a-new, b-new, spec.resources.requests.storage: the node pool of node ');
    expect(found?.message).toContain('has 1073741824 bytes free, 2147483648 are asked for');
    expect(refusal({ ...changes, free: 2 ** 31 })).toBeUndefined();
    expect(refusal(changes)).toBeUndefined();
    // A volume that exists has its room.
    expect(refusal({ ...changes, claims: {}, free: 0 })).toBeUndefined();
  });
});
