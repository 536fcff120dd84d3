import { GodwitError } from '@godwit/core/errors';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { Machines } from '../launcher/machines.ts';
import type { GuestVerb } from './routes.ts';

function refuse(message: string): GodwitError<'GUEST_REFUSED'> {
  return new GodwitError('GUEST_REFUSED', message);
}

/** The machine of a VMI, when this agent may command it. Throws `GUEST_NOT_HERE` or `GUEST_REFUSED`. */
export function commandable(machines: Machines, namespace: string, name: string): HeldMachine {
  const held = machines.ofVmi(namespace, name);
  if (!held)
    throw new GodwitError('GUEST_NOT_HERE', `VirtualMachineInstance ${namespace}/${name} does not run on this node`);
  return held;
}

/** How long a verb waits for its turn. Whoever asks waits longer, so that nothing is done for somebody who was told it failed. */
const TURN_MS = 5000;

/**
 * Carries out a guest verb. Rejects with `GUEST_REFUSED` when the guest is not in a state for it, or others are at work on it;
 * during a migration nobody but the migration starts or stops the guest. Once `asker` is aborted nothing is begun any more.
 */
export async function runVerb(
  machines: Machines,
  verb: GuestVerb,
  namespace: string,
  name: string,
  { asker = new AbortController().signal, turnMs = TURN_MS }: { asker?: AbortSignal; turnMs?: number } = {},
): Promise<void> {
  const { pod } = commandableFor(machines, verb, namespace, name).record;
  const impatience = new AbortController();
  const busy = refuse(
    `VMI ${name} is busy: it is about to be migrated, or its disks change; ${verb} was not done, try again`,
  );
  const timer = setTimeout(() => impatience.abort(busy), turnMs);
  try {
    // A migration that begins meanwhile goes by the state in which it finds the guest.
    return await machines.exclusively(
      pod.uid,
      () => carryOut(machines, verb, commandableFor(machines, verb, namespace, name), name, asker),
      AbortSignal.any([asker, impatience.signal]),
    );
  } finally {
    clearTimeout(timer);
  }
}

function commandableFor(machines: Machines, verb: GuestVerb, namespace: string, name: string): HeldMachine {
  const held = commandable(machines, namespace, name);
  if (held.custody === 'migration')
    throw refuse(`VMI ${name} is being migrated; ${verb} is possible when that has ended`);
  return held;
}

async function carryOut(
  machines: Machines,
  verb: GuestVerb,
  { machine, record }: HeldMachine,
  name: string,
  asker: AbortSignal,
): Promise<void> {
  const state = await machine.state();
  const paused = state === 'paused';
  asker.throwIfAborted();
  switch (verb) {
    case 'pause':
      if (paused) throw refuse(`VMI ${name} is already paused`);
      await machines.update(record.pod.uid, { pausedByUser: true });
      return machine.pause();
    case 'unpause':
      if (!paused && state !== 'io-error') throw refuse(`VMI ${name} is not paused`);
      await machines.update(record.pod.uid, { pausedByUser: false });
      return machine.resume();
    case 'softreboot':
      throw refuse(`VMI ${name} has no guest agent and ACPI knows no reboot; use reset`);
    case 'reset':
      if (paused) throw refuse(`VMI ${name} is paused`);
      return machine.reset();
  }
}
