import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { blockNodes, injectFault } from '../../packages/node-agent/test/migration/faulty-disk.ts';
import type { DiskFault } from '../../packages/node-agent/test/migration/faulty-disk.ts';
import { eventually } from '../support/eventually.ts';
import { expectClean } from '../support/guest.ts';
import type { GuestUnderTest } from '../support/guest.ts';
import { ended, expectSoundEnd, expectSuccess, sourcePodOf, untilPercent } from '../support/move.ts';
import type { Move } from '../support/move.ts';
import { configureMigrations } from '../support/pair.ts';
import { changeVolumes, moveInPlace, moveWithDisks } from '../support/request.ts';
import { useGuest } from '../support/setup.ts';
import { local, shared } from '../support/storage.ts';
import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';

const SLOW = { bandwidthPerMigration: '4Mi' };
/** The data disk is the second; its nodes are numbered in the order in which they came. */
const DATA_NODE = /^disk1-(\d+)$/;

const KINDS = [
  { name: 'a move in place', request: moveInPlace, elsewhere: (at: Storage) => (at === local ? shared : local) },
  { name: 'a node move with disks', request: moveWithDisks, elsewhere: () => local },
] as const;

describe.each(KINDS)('I/O errors of the disk to which a guest writes, in the middle of $name', ({ name, ...kind }) => {
  const subject = useGuest(local);
  let wanted: Whereabouts | undefined;
  let heal: (() => Promise<void>) | undefined;

  afterEach(async () => {
    await heal?.();
    heal = undefined;
  });

  async function begin(guest: GuestUnderTest): Promise<Move> {
    if (wanted === undefined || wanted === guest.at)
      wanted = await changeVolumes(guest, kind.elsewhere(guest.at.storage));
    return kind.request(guest, wanted);
  }

  /** In the QEMU that the guest runs in: `own` is what it has, `copy` what is being made of that. */
  async function spoil(guest: GuestUnderTest, move: Move, which: 'own' | 'copy', fault: DiskFault): Promise<void> {
    const { cluster, node, uid } = await sourcePodOf(guest, move);
    const path = join(guest.pair.layout.sockets, cluster, node, uid, 'observe.sock');
    const execute = (command: string, parameters: object) => guest.runners.execute(path, command, parameters);
    const nodes = await eventually('the disk', async () => {
      const found = (await blockNodes(execute)).filter((one) => DATA_NODE.test(one));
      return (which === 'own' || found.length > 1) && found.toSorted((a, b) => numberOf(a) - numberOf(b));
    });
    const faulty = await injectFault(execute, (which === 'own' ? nodes[0] : nodes.at(-1)) ?? '', fault);
    heal = () => faulty.heal(execute);
  }

  const ROWS = [
    ['the source cannot be read', 'own', { of: 'read', error: 'EIO' }, /data.*source cannot be read/],
    ['one read of the source fails', 'own', { of: 'read', error: 'EIO', once: true }, /data.*source cannot be read/],
    ['the target cannot be written', 'copy', { of: 'write', error: 'EIO' }, /data.*target cannot be written/],
    [
      'one write of the target fails',
      'copy',
      { of: 'write', error: 'EIO', once: true },
      /data.*target cannot be written/,
    ],
  ] as const satisfies readonly (readonly [string, 'own' | 'copy', DiskFault, RegExp])[];
  /** On another node the copy is in a QEMU that takes no such fault while a guest comes in. */
  const rows = ROWS.filter(([, which]) => which === 'own' || name === 'a move in place');

  it.each(rows)('%s: the guest stays and is told nothing, and the move says why', async (_, which, fault, reason) => {
    const guest = subject();
    await configureMigrations(guest.pair, SLOW);
    const move = await begin(guest);
    await untilPercent(move, 'CopyingDisks', 1);
    await spoil(guest, move, which, fault);
    expect((await ended(move.source, move.name)).reason).toMatch(reason);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
  });

  it('succeeds when the disks are sound again', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await begin(guest));
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});

function numberOf(node: string): number {
  return Number(DATA_NODE.exec(node)?.[1]);
}
