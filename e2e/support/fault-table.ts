import { it } from 'vitest';
import { inflict } from './fault.ts';
import type { Fault } from './fault.ts';
import type { GuestUnderTest } from './guest.ts';
import { expectLastFigures, expectSoundEnd } from './move.ts';
import type { Move } from './move.ts';
import { configureMigrations } from './pair.ts';

/** Fast enough that the end is soon there. */
export const switchoverBandwidth = '64Mi';

/** One test for each fault of a move that `request` asks for; at `bandwidth` its middle can be met. */
export function testFaults(
  faults: readonly Fault[],
  stage: Parameters<typeof inflict>[3],
  subject: () => GuestUnderTest,
  request: (guest: GuestUnderTest) => Promise<Move>,
  bandwidth = '24Mi',
): void {
  it.each(faults)('comes to a sound end after kill -9 of %s at %s [SLM 5.3 #38]', async (...fault) => {
    const guest = subject();
    const bandwidthPerMigration = fault[1] === 'the switchover' ? switchoverBandwidth : bandwidth;
    await configureMigrations(guest.pair, { bandwidthPerMigration });
    const move = await request(guest);
    const killed = await inflict(fault, guest, move, stage);
    const end = await expectSoundEnd(guest, move);
    await killed.revived();
    if (fault[0] === 'the source node agent') await expectLastFigures(move, end);
  });
}
