import { resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import { inflict } from './support/fault.ts';
import type { Fault } from './support/fault.ts';
import { expectClean } from './support/guest.ts';
import { expectSoundEnd, expectSuccess, untilInside } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { moveToOtherNode } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { shared } from './support/storage.ts';

const slow = { bandwidthPerMigration: '16Mi' };
const faults: Fault[] = ['the source node agent', 'the target node agent', 'the target QEMU', 'the API server'];

describe('a node move of memory alone', () => {
  const subject = useGuest(shared);

  it.each(faults)('comes to a sound end after kill -9 of %s in the middle of the memory', async (fault) => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const move = await moveToOtherNode(guest);
    await untilInside(move, 'CopyingMemory');
    const killed = await inflict(fault, guest, move);
    await expectSoundEnd(guest, move);
    await killed.revived();
  });

  it('is cancelled by deleting its object', async () => {
    const guest = subject();
    const move = await moveToOtherNode(guest);
    await untilInside(move, 'CopyingMemory');
    await move.source.client.delete(resources.virtualMachineInstanceMigrations, move.name, namespace);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
  });

  it('succeeds afterwards', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await moveToOtherNode(guest));
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
