import { resources } from '@godwit/api';
import { isGodwitError } from '@godwit/core/errors';
import { afterAll, describe, expect, it } from 'vitest';
import { blankDataVolumes, namespace, volumeName } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { eventually } from '../support/eventually.ts';
import { inflict } from '../support/fault.ts';
import type { Party, Point } from '../support/fault.ts';
import { switchoverBandwidth } from '../support/fault-table.ts';
import { expectClean, expectNextBoot, instanceOf } from '../support/guest.ts';
import type { GuestUnderTest } from '../support/guest.ts';
import { ended, expectSoundEnd, expectSuccess } from '../support/move.ts';
import type { Move } from '../support/move.ts';
import { configureMigrations } from '../support/pair.ts';
import { changeVolumes, moveInPlace, moveToCluster, moveToOtherNode, moveWithDisks } from '../support/request.ts';
import { receiverOf } from '../support/receiver.ts';
import { useGuest } from '../support/setup.ts';
import { local, shared } from '../support/storage.ts';
import { removeVolumes } from './verified-move.ts';

const EVERYWHERE: readonly Party[] = [
  'the source node agent',
  'the source QEMU',
  'the API server',
  'the controllers',
  'the supervisor',
];
const ON_THE_WAY: readonly Party[] = [
  'the target node agent',
  'the target QEMU',
  'the source carrier',
  'the target carrier',
];
const ABROAD: readonly Party[] = ['the API server of the target', 'the controllers of the target'];
const COPYING: readonly Point[] = ['10 %', '50 %', '90 %'];
const ALL: readonly Point[] = [...COPYING, 'the switchover'];

interface Kind {
  readonly name: string;
  readonly storage: Storage;
  readonly parties: readonly Party[];
  readonly points: readonly Point[];
  readonly stage: 'CopyingDisks' | 'CopyingMemory';
  /** At which the points can be met. */
  readonly bandwidth: string;
  /** Where the guest is to go next; asked for again after an attempt that failed. */
  readonly prepare: (guest: GuestUnderTest) => Promise<Whereabouts>;
  readonly request: (guest: GuestUnderTest, to: Whereabouts) => Promise<Move>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'a move in place',
    storage: local,
    parties: EVERYWHERE,
    points: COPYING,
    stage: 'CopyingDisks',
    bandwidth: '12Mi',
    prepare: (guest) => changeVolumes(guest, guest.at.storage === local ? shared : local),
    request: moveInPlace,
  },
  {
    name: 'a node move with disks',
    storage: local,
    parties: [...EVERYWHERE, ...ON_THE_WAY],
    points: ALL,
    stage: 'CopyingDisks',
    bandwidth: '24Mi',
    prepare: (guest) => changeVolumes(guest, local),
    request: moveWithDisks,
  },
  {
    name: 'a node move',
    storage: shared,
    parties: [...EVERYWHERE, ...ON_THE_WAY],
    points: ALL,
    stage: 'CopyingMemory',
    bandwidth: '16Mi',
    prepare: async (guest) => guest.at,
    request: moveToOtherNode,
  },
  {
    name: 'a move to the other cluster',
    storage: local,
    parties: [...EVERYWHERE, ...ON_THE_WAY, ...ABROAD],
    points: ALL,
    stage: 'CopyingDisks',
    bandwidth: '24Mi',
    prepare: (guest) => receiverOf(guest, local),
    request: moveToCluster,
  },
];

/** How often a move may be over before the blow could fall. */
const ATTEMPTS = 3;

/** Every party to a move is killed at every point of it: a guest under load loses nothing, and one copy of it runs. */
describe.each(KINDS)('$name', (kind) => {
  const subject = useGuest(kind.storage);
  const rows = kind.parties.flatMap((party) => kind.points.map((point) => [party, point] as const));
  const outcomes: object[] = [];
  /** Asked for, and not reached yet. */
  let wanted: Whereabouts | undefined;

  afterAll(() => {
    for (const outcome of outcomes) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  });

  async function begin(guest: GuestUnderTest): Promise<Move> {
    wanted ??= await kind.prepare(guest);
    return kind.request(guest, wanted);
  }

  /** The guest is where the move was to take it: what it left goes. */
  async function arrived(guest: GuestUnderTest, left: Whereabouts): Promise<void> {
    wanted = undefined;
    if (left.cluster !== guest.at.cluster || left.place === guest.at.place) return;
    await removeVolumes(
      guest,
      blankDataVolumes(guest.guest, left.storage, left.place).map(({ metadata }) => metadata.name ?? ''),
    );
  }

  /** With the guest's own QEMU gone the guest boots again, unless it had left already. */
  async function expectRecovered(guest: GuestUnderTest, move: Move): Promise<'succeeded' | 'booted'> {
    const { acknowledged } = guest.oracle.log.summary();
    const { phase } = await ended(move.source, move.name);
    if (phase === 'Succeeded') {
      expect(await expectSoundEnd(guest, move)).toBe('succeeded');
      return 'succeeded';
    }
    await expectNextBoot(guest, acknowledged);
    await eventually('the guest to be where it was', async () => {
      const status = (await instanceOf(guest, guest.at))?.status;
      const open = status?.volumeStatus?.find(({ name }) => name === 'data')?.persistentVolumeClaimInfo?.claimName;
      return status?.phase === 'Running' && open === volumeName(guest.guest, 'data', guest.at.place);
    });
    return 'booted';
  }

  it.each(rows)('comes to a sound end after kill -9 of %s at %s [SLM 5.3 #38]', async (party, point) => {
    const guest = subject();
    for (let attempt = 1; ; attempt += 1) {
      const bandwidthPerMigration = point === 'the switchover' ? switchoverBandwidth : kind.bandwidth;
      await configureMigrations(guest.pair, { bandwidthPerMigration });
      const left = guest.at;
      const move = await begin(guest);
      const startedMs = performance.now();
      const killed = await inflict([party, point], guest, move, kind.stage).catch((error: unknown) => {
        if (!isGodwitError(error, 'E2E_TOO_LATE') || attempt === ATTEMPTS) throw error;
      });
      const mayBoot = party === 'the source QEMU' && killed !== undefined;
      const outcome = mayBoot ? await expectRecovered(guest, move) : await expectSoundEnd(guest, move);
      await killed?.revived();
      if (outcome === 'succeeded') await arrived(guest, left);
      if (killed === undefined) continue;
      const { reason } = await ended(move.source, move.name);
      const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
      outcomes.push({ kind: kind.name, party, point, outcome, seconds, ...(outcome !== 'succeeded' && { reason }) });
      return;
    }
  });

  it('succeeds after all that', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await begin(guest));
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
    const { items } = await subject().at.cluster.client.list(resources.virtualMachineInstanceMigrations, { namespace });
    expect(items.length).toBeLessThanOrEqual(5);
  });
});
