import type { Clock } from '@godwit/core/clock';
import type { SeenLauncher } from './decide.ts';
import type { Machines } from './machines.ts';
import type { MoveCustody } from './reconciler.ts';

type Pressed = NonNullable<SeenLauncher['powerDown']>;

/** Asks guests by ACPI to switch themselves off, and knows since when. */
export interface PowerButton {
  pressed(podUid: string): Pressed | undefined;
  /** The guest is to switch itself off and cannot be asked yet. */
  expect(podUid: string): void;
  press(podUid: string): Promise<void>;
  /** In a migration: one that stands still for it, or is on its way in, is not for anybody else to touch. */
  pressAtHome(podUid: string): Promise<void>;
  forget(podUid: string): void;
}

export function createPowerButton(io: {
  readonly machines: Pick<Machines, 'get'>;
  readonly moves: Pick<MoveCustody, 'isSource'>;
  readonly clock: Clock;
}): PowerButton {
  const { machines, moves, clock } = io;
  const all = new Map<string, Pressed>();

  function note(uid: string): void {
    const before = all.get(uid);
    const nowMs = clock.now();
    const firstAtMs = before === undefined || before.lastAtMs === 0 ? nowMs : before.firstAtMs;
    all.set(uid, { firstAtMs, lastAtMs: nowMs });
  }

  return {
    pressed: (podUid) => all.get(podUid),
    expect(podUid) {
      if (!all.has(podUid)) all.set(podUid, { firstAtMs: clock.now(), lastAtMs: 0 });
    },
    async press(podUid) {
      note(podUid);
      const held = machines.get(podUid);
      if (!held) return;
      // A paused guest cannot hear ACPI.
      if ((await held.machine.state()) === 'paused') await held.machine.resume();
      await held.machine.powerDown();
    },
    async pressAtHome(podUid) {
      const held = machines.get(podUid);
      if (!held || !moves.isSource(podUid) || (await held.machine.state()) !== 'running') return;
      note(podUid);
      await held.machine.powerDown();
    },
    forget: (podUid) => void all.delete(podUid),
  };
}
