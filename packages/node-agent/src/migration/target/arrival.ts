import { pause, type Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import { ifInTime } from '@godwit/core/in-time';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { FoundGuest, TargetEvent } from '@godwit/migration';

const LOOK_MS = 2;
const RESUME_RETRY_MS = 50;
/** What is on its way in sockets of the own host. */
const DRAIN_MS = 3000;
const ANSWER_MS = 2000;
const LOADING_FAILED =
  'Loading the memory failed: the connection from the source broke off, or what came is no guest of this QEMU';

/** Tells what QEMU says of the memory that comes in, as the handover wants to hear it. */
export function watchArrival(
  machine: Machine,
  { give, onPostCopy }: { readonly give: (event: TargetEvent) => void; readonly onPostCopy: () => void },
): void {
  let listening: 'no' | 'awaited' | 'told' = 'no';
  const tellListening = (): void => {
    if (listening !== 'awaited') return;
    listening = 'told';
    give({ type: 'listening' });
  };
  /** No event says that the processors' state is loaded. */
  const awaitListening = async (): Promise<void> => {
    while (listening === 'awaited') {
      const state = await machine.state().catch(() => 'gone' as const);
      if (state === 'gone') return;
      if (state !== 'incoming') return tellListening();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  machine.onEvent((event) => {
    if (event.type === 'exited') return give({ type: 'gone' });
    if (event.type !== 'migration') return;
    switch (event.status) {
      case 'postcopy-active':
        onPostCopy();
        give({ type: 'rejoined' });
        if (listening !== 'no') return;
        listening = 'awaited';
        return void awaitListening();
      case 'postcopy-paused':
        return give({ type: 'torn', reason: 'The connection to the source broke before all memory had arrived' });
      case 'completed':
        tellListening();
        return give({ type: 'loaded' });
      case 'failed':
        return give({ type: 'copyFailed', reason: LOADING_FAILED });
    }
  });
}

/** A QEMU that does not wait for the rest of the memory may be getting it already, or have it. */
export async function arrivesAlready(machine: Machine, clock: Clock): Promise<TargetEvent | undefined> {
  // Without memory that it needs itself QEMU answers nobody.
  const memory = await ifInTime(machine.memory(), ANSWER_MS, clock).catch(() => undefined);
  if (memory?.status === 'postcopy-active') return { type: 'rejoined' };
  return memory?.status === 'completed' ? { type: 'loaded' } : undefined;
}

/** Resolves once QEMU waits for no more memory, or has had the time that the last of it takes. */
export async function arrivalOver(machine: Machine, clock: Clock): Promise<void> {
  const deadline = clock.now() + DRAIN_MS;
  const over = (async () => {
    while ((await machine.memory()).status === 'postcopy-active' && clock.now() < deadline) await pause(50, clock);
  })().catch(() => undefined);
  await ifInTime(over, DRAIN_MS, clock);
}

/**
 * Lets the guest execute, as often as it takes; only its end keeps it from that. One that is to stay paused runs for the
 * moment in which QEMU takes over its disks: a guest that is moved on before that would end QEMU. May take for ever when
 * QEMU needs memory for it that does not come; `undefined` once it is not wanted any longer.
 */
export async function letRun(
  machine: Machine | undefined,
  log: Logger,
  paused = false,
  stopped: () => boolean = () => false,
): Promise<'running' | 'gone' | undefined> {
  for (;;) {
    try {
      if (machine === undefined) return 'gone';
      await machine.resume();
      if (paused) await machine.pause();
      return 'running';
    } catch (error) {
      const state = await machine?.state().catch(() => undefined);
      if (state === 'gone' || (state === 'running' && !paused)) return state;
      // It stopped for a reason of its own, perhaps at its source already; QEMU refuses to let it execute.
      if (state === 'shutdown' || state === 'internal-error') return 'running';
      if (stopped()) return undefined;
      log.error({ error: describeError(error) }, 'the target does not run yet');
      await new Promise((again) => setTimeout(again, RESUME_RETRY_MS));
    }
  }
}

/** An agent that was killed in the middle of `letRun` has left a guest running that is to stay paused. */
export async function keepPaused(machine: Machine): Promise<void> {
  if ((await machine.state()) === 'running') await machine.pause();
}

/** What a restarted agent finds. `postCopy`: it may have come so. */
export async function findGuest(machine: Machine, postCopy: boolean): Promise<FoundGuest> {
  const guest = guestOf(await machine.state());
  if (guest === 'gone' || guest === 'incoming' || !postCopy) return { guest };
  switch ((await machine.memory()).status) {
    case 'postcopy-active':
      return { guest, postCopy: 'partial' };
    case 'postcopy-paused':
      return { guest, postCopy: 'torn' };
    default:
      return { guest, postCopy: 'whole' };
  }
}

function guestOf(state: Awaited<ReturnType<Machine['state']>>): FoundGuest['guest'] {
  switch (state) {
    case 'incoming':
    case 'gone':
      return state;
    case 'paused':
      return 'loaded';
    case 'running':
    case 'postmigrate':
    case 'finish-migrate':
    case 'shutdown':
    case 'io-error':
    case 'internal-error':
      return 'running';
  }
}
