import type { Clock } from '@godwit/core/clock';
import type { SeenLauncher } from './decide.ts';
import type { HeldMachine } from './held-machines.ts';
import type { Machines } from './machines.ts';
import { PATIENCE_SECONDS, withPatience } from './patience.ts';
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

  /** A press counts, whether or not QEMU has heard it by then. */
  function asked(held: HeldMachine, ask: (held: HeldMachine) => Promise<void>): Promise<void> {
    const unheard = `The guest of VMI ${held.record.vmi.name} could not be asked to shut down within ${PATIENCE_SECONDS} s`;
    return withPatience(ask(held), clock, unheard);
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
      await asked(held, async ({ machine }) => {
        // A paused guest cannot hear ACPI.
        if ((await machine.state()) === 'paused') await machine.resume();
        await machine.powerDown();
      });
    },
    async pressAtHome(podUid) {
      const held = machines.get(podUid);
      if (!held || !moves.isSource(podUid)) return;
      await asked(held, async ({ machine }) => {
        if ((await machine.state()) !== 'running') return;
        note(podUid);
        await machine.powerDown();
      });
    },
    forget: (podUid) => void all.delete(podUid),
  };
}
