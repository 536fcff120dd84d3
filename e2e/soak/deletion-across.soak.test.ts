import { resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Cluster } from '../../apps/cli/src/commands/demo/session.ts';
import { eventually } from '../support/eventually.ts';
import { expectClean, expectCleanDisk, expectNextBoot } from '../support/guest.ts';
import type { GuestUnderTest } from '../support/guest.ts';
import { setRunStrategy } from '../support/machine.ts';
import { ended, expectSoundEnd, expectSuccess, untilPercent } from '../support/move.ts';
import type { Move } from '../support/move.ts';
import { configureMigrations } from '../support/pair.ts';
import { powerOff } from '../support/power-off.ts';
import { receiverOf } from '../support/receiver.ts';
import { moveToCluster } from '../support/request.ts';
import { useGuest } from '../support/setup.ts';
import { local } from '../support/storage.ts';
import { footprintOf } from './leftovers.ts';

/** A move in its middle, to a VM that is made for it. */
async function beginMove(guest: GuestUnderTest): Promise<Move> {
  await configureMigrations(guest.pair, { bandwidthPerMigration: '10Mi' });
  const move = await moveToCluster(guest, await receiverOf(guest, local));
  await untilPercent(move, 'CopyingDisks', 10);
  return move;
}

async function untilGone({ client }: Cluster, name: string): Promise<void> {
  await eventually(
    `VM ${name} and all pods to be gone`,
    async () =>
      (await client.get(resources.virtualMachines, name, namespace)) === undefined &&
      (await client.list(resources.pods)).items.length === 0,
  );
}

async function untilQemus({ pair }: GuestUnderTest, count: number): Promise<void> {
  await eventually(`${count} QEMU to be left`, async () => (await footprintOf(pair)).qemus === count);
}

async function expectBothFailed(move: Move): Promise<void> {
  expect(await ended(move.source, move.name)).toEqual({ phase: 'Failed', reason: expect.stringMatching(/./) });
  const there = move.receiver && (await ended(move.receiver.cluster, move.receiver.name));
  expect(['Failed', 'gone']).toContain(there?.phase);
}

describe('in the middle of a move to the other cluster', () => {
  const subject = useGuest(local);

  it('the VM that waits for the guest is deleted: nothing of it is left, and the guest does not notice', async () => {
    const guest = subject();
    const move = await beginMove(guest);
    await move.to.cluster.client.delete(resources.virtualMachines, guest.guest.name, namespace);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
    await untilGone(move.to.cluster, guest.guest.name);
    await untilQemus(guest, 1);
  });

  it.each(['CopyingDisks', 'CopyingMemory'] as const)(
    'the guest switches itself off in %s: both sides end, and its VM starts it again where it was',
    async (stage) => {
      const guest = subject();
      await configureMigrations(guest.pair, { bandwidthPerMigration: '4Mi' });
      const move = await moveToCluster(guest, await receiverOf(guest, local));
      await powerOff(guest, () => untilPercent(move, stage, 10));
      await expectBothFailed(move);
      await expectNextBoot(guest, guest.oracle.acknowledged);
      await move.to.cluster.client.delete(resources.virtualMachines, guest.guest.name, namespace);
      await untilGone(move.to.cluster, guest.guest.name);
      await untilQemus(guest, 1);
    },
  );

  it('the VM that the guest leaves is stopped: nothing is lost, and it starts again', async () => {
    const guest = subject();
    const move = await beginMove(guest);
    await setRunStrategy(guest, 'Halted');
    await expectBothFailed(move);
    await untilQemus(guest, 0);
    await expectCleanDisk(guest);
    const { acknowledged } = guest.oracle.log.summary();
    await setRunStrategy(guest, 'Always');
    await expectNextBoot(guest, acknowledged);
  });

  it('nothing happens, and it succeeds', async () => {
    const guest = subject();
    const move = await beginMove(guest);
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, move);
    await expectClean(guest);
    const { acknowledged } = guest.oracle.log.summary();
    await setRunStrategy(guest, 'Always');
    await expectNextBoot(guest, acknowledged);
  });

  it('the VM that the guest leaves is deleted: both sides end, and nothing is left', async () => {
    const guest = subject();
    const move = await beginMove(guest);
    const { cluster } = guest.at;
    await cluster.client.delete(resources.virtualMachines, guest.guest.name, namespace);
    await expectBothFailed(move);
    await untilGone(cluster, guest.guest.name);
    await untilQemus(guest, 0);
  });
});
