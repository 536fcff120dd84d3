import { it } from 'vitest';
import { inflict } from './fault.ts';
import type { Fault } from './fault.ts';
import type { GuestUnderTest } from './guest.ts';
import { expectSoundEnd } from './move.ts';
import type { Move } from './move.ts';

/** One test for each fault. `request` asks for a move so slow that its middle can be met. */
export function testFaults(
  faults: readonly Fault[],
  stage: Parameters<typeof inflict>[3],
  subject: () => GuestUnderTest,
  request: (guest: GuestUnderTest) => Promise<Move>,
): void {
  it.each(faults)('comes to a sound end after kill -9 of %s at %s', async (...fault) => {
    const guest = subject();
    const move = await request(guest);
    const killed = await inflict(fault, guest, move, stage);
    await expectSoundEnd(guest, move);
    await killed.revived();
  });
}
