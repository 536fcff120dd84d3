import type { OfflineCopyStatus, PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedVm, storedVmi } from '../virt/testing/objects.ts';
import { decideLastVolumes } from './last-volumes.ts';
import { offlineMoves } from './offline.ts';

type Status = NonNullable<VirtualMachine['status']>;

/** Everything is bound and filled but `unbound`, `filling` and `nowhere`. */
function pvc(name: string): PersistentVolumeClaim | undefined {
  if (name === 'nowhere') return undefined;
  const annotations = name === 'filling' ? { 'cdi.kubevirt.io/storage.import.source': 'http' } : {};
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, annotations },
    spec: { accessModes: ['ReadWriteOnce'] },
    status: { phase: name === 'unbound' ? 'Pending' : 'Bound' },
  };
}

/** A VM over several edits: each is seen once while no guest runs, or with the guest that is given. */
class History {
  readonly vm = storedVm({ runStrategy: 'Halted' }, {});

  edit(strategy: 'Migration' | undefined, claim: string, guest?: VirtualMachineInstance): this {
    const { spec } = this.vm;
    if (strategy === undefined) delete spec.updateVolumesStrategy;
    else spec.updateVolumesStrategy = strategy;
    spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: claim } }];
    return this.see(guest);
  }

  see(guest?: VirtualMachineInstance, copied?: Record<string, string>): this {
    const decided = decideLastVolumes(this.vm, guest, pvc, copied);
    const known = Object.entries(decided).filter(([, value]) => value !== undefined);
    const { lastVolumes: _last, lastDiskBytes: _bytes, unfinishedCopies: _copies, ...status } = this.vm.status ?? {};
    this.vm.status = { ...status, ...Object.fromEntries(known) };
    return this;
  }

  with(status: Partial<Status>): this {
    this.vm.status = { ...this.vm.status, ...status };
    return this;
  }

  moves(): string[] {
    return offlineMoves(this.vm).map(({ source, target }) => `${source} to ${target}`);
  }
}

const runsOn = (claim: string): VirtualMachineInstance => storedVmi({ phase: 'Running' }, { claim });
const copying = (target: string): OfflineCopyStatus => ({
  id: '1',
  attempts: 1,
  volumes: [{ volumeName: 'root', source: 'a', target, node: 'n1' }],
});

/** What a live copy leaves in the VM, however it ended. */
const recordOf = (from: string, to: string): NonNullable<Status['volumeUpdateState']> => ({
  volumeMigrationState: {
    migratedVolumes: [
      { volumeName: 'root', sourcePVCInfo: { claimName: from }, destinationPVCInfo: { claimName: to } },
    ],
  },
});

describe('where the data of a VM are', () => {
  it('that has never run: on the claims that were prepared', () => {
    expect(new History().edit('Migration', 'a').edit('Migration', 'b').moves()).toEqual(['a to b']);
  });

  it.each(['unbound', 'filling', 'nowhere'])('that has never run: not on a claim that is %s', (claim) => {
    expect(new History().edit('Migration', claim).edit('Migration', 'b').moves()).toEqual([]);
  });

  it.each([
    ['never run', new History().edit(undefined, 'a')],
    ['run', new History().edit(undefined, 'a', runsOn('a')).see()],
  ])('that has %s: where an edit without strategy Migration has put them; setting it later copies nothing', (_, vm) => {
    vm.edit(undefined, 'b').edit('Migration', 'b');
    expect(vm.moves()).toEqual([]);
    expect(vm.edit('Migration', 'c').moves()).toEqual(['b to c']);
  });

  it('where the guest wrote last, for as long as a wish to copy them stands', () => {
    const history = new History().edit('Migration', 'a', runsOn('a')).see().edit('Migration', 'b').see().see();
    expect(history.moves()).toEqual(['a to b']);
    expect(history.see(undefined, { root: 'b' }).moves()).toEqual([]);
    expect(history.vm.status).toMatchObject({ lastVolumes: { root: 'b' } });
  });

  it('never on a copy that has not ended, however often it is looked at: that is not copied over the original', () => {
    const history = new History().edit('Migration', 'a', runsOn('a')).see().edit('Migration', 'b');
    history.with({ offlineCopy: copying('b') }).edit(undefined, 'b');
    delete history.vm.status?.offlineCopy;
    history.see().see();
    expect(history.vm.status).toMatchObject({ lastVolumes: { root: 'a' }, unfinishedCopies: ['b'] });
    expect(history.edit('Migration', 'a').moves()).toEqual([]);
  });

  it('nor on the target of a live copy whose guest was stopped', () => {
    const history = new History().edit('Migration', 'a', runsOn('a'));
    history.with({ volumeUpdateState: recordOf('a', 'b') }).edit(undefined, 'b');
    delete history.vm.status?.volumeUpdateState;
    expect(history.see().edit('Migration', 'a').moves()).toEqual([]);
    // Once a guest has run on it there is nothing unfinished about it any more.
    history.edit(undefined, 'b', runsOn('b')).see();
    expect(history.vm.status).toMatchObject({ lastVolumes: { root: 'b' } });
    expect(history.vm.status?.unfinishedCopies).toBeUndefined();
    expect(history.edit('Migration', 'c').moves()).toEqual(['b to c']);
  });

  it('on the target of a live copy that has succeeded, also after an edit there and back: nothing is copied over it', () => {
    const history = new History().edit('Migration', 'a', runsOn('a')).see();
    history
      .with({ volumeUpdateState: recordOf('a', 'b') })
      .edit('Migration', 'b', runsOn('b'))
      .see();
    history.edit(undefined, 'c');
    expect(history.vm.status).toMatchObject({ lastVolumes: { root: 'c' } });
    expect(history.vm.status?.unfinishedCopies).toBeUndefined();
    history.edit(undefined, 'b');
    expect(history.vm.status).toMatchObject({ lastVolumes: { root: 'b' } });
    expect(history.edit('Migration', 'b').moves()).toEqual([]);
  });

  it('on a whole copy after its data were copied on from there', () => {
    const history = new History().edit('Migration', 'a', runsOn('a')).see();
    history
      .with({ volumeUpdateState: recordOf('a', 'b') })
      .edit('Migration', 'b', runsOn('b'))
      .see();
    history.edit('Migration', 'c').see(undefined, { root: 'c' });
    expect(history.vm.status?.unfinishedCopies).toBeUndefined();
    expect(history.edit(undefined, 'b').vm.status).toMatchObject({ lastVolumes: { root: 'b' } });
  });
});

describe('how big the disk of a VM is', () => {
  const sees = (claim: string, size?: number, shown = claim): VirtualMachineInstance =>
    storedVmi(
      {
        phase: 'Running',
        volumeStatus: [
          {
            name: 'root',
            target: 'vda',
            persistentVolumeClaimInfo: { claimName: shown },
            ...(size === undefined ? {} : { size }),
          },
        ],
      },
      { claim },
    );
  const GIB = 2 ** 30;
  const moved = () => new History().edit('Migration', 'b', sees('b', GIB));

  it('is what its guest saw last on the claim, also when it has ended', () => {
    expect(moved().vm.status?.lastDiskBytes).toEqual({ root: GIB });
    expect(moved().see().see().vm.status?.lastDiskBytes).toEqual({ root: GIB });
    expect(moved().edit('Migration', 'c').vm.status).toMatchObject({
      lastVolumes: { root: 'b' },
      lastDiskBytes: { root: GIB },
    });
  });

  it.each<[string, () => History]>([
    ['of another claim', () => moved().edit(undefined, 'c')],
    ['once it was copied to another claim', () => moved().edit('Migration', 'c').see(undefined, { root: 'c' })],
    ['of a guest that starts: it may be bigger now', () => moved().see(sees('b'))],
    ['of a guest that is still shown on the claim before', () => moved().see(sees('b', GIB, 'a'))],
  ])('is not known %s', (_, history) => expect(history().vm.status?.lastDiskBytes).toBeUndefined());
});
