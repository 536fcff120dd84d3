import { describe, expect, it } from 'vitest';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import type { Weather } from '../../packages/node-agent/test/migration/network.ts';
import { expectClean } from '../support/guest.ts';
import type { GuestUnderTest } from '../support/guest.ts';
import { ended, expectSoundEnd, expectSuccess, untilInside, untilPercent } from '../support/move.ts';
import { configureMigrations } from '../support/pair.ts';
import { changeVolumes, moveWithDisks } from '../support/request.ts';
import { useGuest } from '../support/setup.ts';
import { moveThroughNetwork } from '../support/spoiled-network.ts';
import type { NetworkedMove } from '../support/spoiled-network.ts';
import { local } from '../support/storage.ts';

/** Long enough to meet its middle; a connection that stands still is given up soon. */
const SLOW = { bandwidthPerMigration: '6Mi', progressTimeout: 6 };
const UNLIMITED = { bandwidthPerMigration: '0', progressTimeout: 150 };

describe('the network between the nodes of a guest under load that moves with its disks', () => {
  const subject = useGuest(local);
  /** Where the guest is to go next; an attempt that fails leaves it to the next one. */
  let wanted: Whereabouts | undefined;

  async function begin(guest: GuestUnderTest): Promise<NetworkedMove> {
    if (wanted === undefined || wanted === guest.at) wanted = await changeVolumes(guest, local);
    const to = wanted;
    return moveThroughNetwork(guest, () => moveWithDisks(guest, to));
  }

  const WEATHERS: readonly Weather[] = ['cut', 'hang', 'half-open'];
  const STAGES = ['CopyingDisks', 'CopyingMemory'] as const;

  it.each(STAGES.flatMap((stage) => WEATHERS.map((weather) => [weather, stage] as const)))(
    '(%s) fails for good in %s: the guest stays, and the move says why [SLM 5.3 #38]',
    async (weather, stage) => {
      const guest = subject();
      await configureMigrations(guest.pair, SLOW);
      await using spoiled = await begin(guest);
      await untilInside(spoiled.move, stage);
      spoiled.network.becomes(weather);
      const { reason } = await ended(spoiled.move.source, spoiled.move.name);
      expect(reason).toMatch(/network|connection|agent|No progress/);
      expect(await expectSoundEnd(guest, spoiled.move)).toBe('stayed');
    },
  );

  it.each(['cut', 'hang'] as const)('(%s) fails for seconds at the switchover: both sides agree', async (weather) => {
    const guest = subject();
    await configureMigrations(guest.pair, { ...UNLIMITED, bandwidthPerMigration: '64Mi' });
    const switchover = guest.runners.nextStop();
    await using spoiled = await begin(guest);
    await switchover;
    spoiled.network.becomes(weather);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    spoiled.network.becomes('fair');
    await expectSoundEnd(guest, spoiled.move);
  });

  it('is slow for good: the move is given up by policy with the numbers, and the guest stays', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { ...UNLIMITED, completionTimeoutPerGiB: 15 });
    await using spoiled = await begin(guest);
    spoiled.network.becomes('slow');
    const { reason } = await ended(spoiled.move.source, spoiled.move.name);
    expect(reason).toMatch(/Not complete after \d+ s/);
    expect(await expectSoundEnd(guest, spoiled.move)).toBe('stayed');
  });

  it('is slow for a while, and stands still for a moment: the move takes longer, and nothing else', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { ...UNLIMITED, completionTimeoutPerGiB: 1000 });
    await using spoiled = await begin(guest);
    spoiled.network.becomes('slow');
    await untilPercent(spoiled.move, 'CopyingDisks', 5);
    spoiled.network.becomes('hang');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    spoiled.network.becomes('fair');
    await expectSuccess(guest, spoiled.move);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
