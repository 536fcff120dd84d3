import { resources } from '@godwit/api';
import type { MigrationVerification, VirtualMachineInstanceMigration } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { blankDataVolumes, namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import { eventually } from '../support/eventually.ts';
import { expectClean } from '../support/guest.ts';
import { configureMigrations } from '../support/pair.ts';
import { changeVolumes, prepareReceiver } from '../support/request.ts';
import { useGuest } from '../support/setup.ts';
import { block, local, shared } from '../support/storage.ts';
import { footprintOf } from './leftovers.ts';
import { moveVerified, removeVolumes } from './verified-move.ts';
import type { How } from './verified-move.ts';

/** `GODWIT_SOAK_MOVES` makes it shorter or longer. */
const moves = Number(process.env['GODWIT_SOAK_MOVES'] ?? 50);
const storages = [shared, local, block, local];
/** Every fifth move leaves the guest where it is. */
const howOf = (number: number): How => (number % 5 === 0 ? 'in place' : 'to the other node');
/** After so many moves everything that is loaded or opened on first use is. */
const warm = Math.min(5, moves);
/** What a process may have open for a moment. */
const slack = 24;
const keptMigrations = 5;

/** As many moves of one writing guest, there and back, with its disks compared at every switchover. */
describe(`${moves} moves there and back of a guest under load`, () => {
  const subject = useGuest(local);
  const measured: { how: How; totalMs: number; downtimeMs: number; comparedMs: number; bytesRead: number }[] = [];
  const failures: string[] = [];
  let footprint: Awaited<ReturnType<typeof footprintOf>> | undefined;

  it.each(Array.from({ length: moves }, (_none, index) => index + 1))('move %i has identical disks', async (number) => {
    const guest = subject();
    if (number === 1) await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    const storage = storages[number % storages.length] ?? local;
    const left = blankDataVolumes(guest.guest, guest.at.storage, guest.at.place).map(
      ({ metadata }) => metadata.name ?? '',
    );
    const to = await changeVolumes(guest, storage);
    const { verification, totalMs, downtimeMs, failures: before } = await moveVerified(guest, to, howOf(number));
    expectIdentical(verification);
    failures.push(...before);
    await removeVolumes(guest, left);
    const bytesRead = verification.volumes.reduce((sum, volume) => sum + volume.bytesRead, 0);
    measured.push({ how: howOf(number), totalMs, downtimeMs, comparedMs: verification.milliseconds, bytesRead });
    if (number === warm) footprint = await footprintOf(guest.pair);
  });

  it('leaves nothing behind that grows with the moves', async () => {
    const { pair, at } = subject();
    const after = await eventually('one QEMU and no carrier at work', async () => {
      const now = await footprintOf(pair);
      return now.qemus === 1 && now.carriers <= (footprint?.carriers ?? 0) && now;
    });
    for (const [name, files] of Object.entries(after.files))
      expect(files, name).toBeLessThanOrEqual((footprint?.files[name] ?? files) + slack);
    const { items } = await at.cluster.client.list<VirtualMachineInstanceMigration>(
      resources.virtualMachineInstanceMigrations,
      { namespace },
    );
    expect(items.length).toBeLessThanOrEqual(keptMigrations);
  });

  it('a move to the other cluster has identical disks as well', async () => {
    const guest = subject();
    const to = await prepareReceiver(guest, guest.pair.beta, local);
    const { verification, failures: before } = await moveVerified(guest, to, 'to the other cluster');
    expectIdentical(verification);
    failures.push(...before);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
    process.stdout.write(`${JSON.stringify({ repeated: failures })}\n`);
    for (const how of ['to the other node', 'in place'] as const) {
      const these = measured.filter((one) => one.how === how);
      const figures = Object.fromEntries(
        (['totalMs', 'downtimeMs', 'comparedMs', 'bytesRead'] as const).map((key) => [
          key,
          spread(these.map((one) => one[key])),
        ]),
      );
      process.stdout.write(`${JSON.stringify({ measured: `moves ${how}`, moves: these.length, ...figures })}\n`);
    }
  });
});

function expectIdentical(verification: MigrationVerification): void {
  expect(verification.message ?? '').toBe('');
  expect(verification).toMatchObject({
    result: 'Identical',
    volumes: expect.arrayContaining([
      expect.objectContaining({ name: 'root', result: 'Identical', bytes: 64 << 20 }),
      expect.objectContaining({ name: 'data', result: 'Identical', bytes: 256 << 20 }),
    ]) as unknown,
  });
}

function spread(figures: readonly number[]): { median?: number; worst?: number } {
  const sorted = figures.toSorted((one, other) => one - other);
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  return { ...(median !== undefined && { median }), ...(worst !== undefined && { worst }) };
}
