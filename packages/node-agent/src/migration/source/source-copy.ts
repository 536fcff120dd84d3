import { describeError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';
import type { Carrier } from '@godwit/migration-link';
import { failure, type CopyContext, type SourceCopyOptions } from '../copy-context.ts';
import { copyDisksInSync } from '../disks/copy-disks.ts';
import { limitMirrors } from '../disks/mirror-speeds.ts';
import { watchPowerOff } from '../disks/power-off.ts';
import { allRead } from '../all-read.ts';
import { sendMemory } from './send-memory.ts';
import { limitWrites } from '../disks/write-limits.ts';

const LOOK_MS = 100;
/** The target must prove that it lives before the mirrors are finished: a dead one would stall the paused guest. */
const ALIVE_MS = 1500;
/** An answer to a question asked this short a time ago is proof enough. */
const ALIVE_FRESH_MS = 500;
const ALIVE_EVERY_MS = 200;
const STOP_EXPORT_MS = 5000;

export interface SourceCopy {
  /** No further step begins. Does not touch the guest. */
  stop(): void;
  /** Post-copy was asked for: QEMU may be unable to do without its connection to the target. */
  isSplit(): boolean;
  /** Resolves when nothing of it is under way any more. */
  readonly over: Promise<void>;
}

/**
 * Copies disks and memory until QEMU has sent everything: mirrors, all at once, until all are in sync; then memory, with the
 * downtime limit rising, until QEMU stops the guest; then the switchover. Reports exactly one of `onSent` and `onFailed`,
 * and decides nothing: what a failure means is the handover's business.
 */
export function startSourceCopy(options: SourceCopyOptions): SourceCopy {
  const { machine, clock, mark } = options;
  const stopped = new AbortController();
  const { signal } = stopped;
  let carrierLost: string | undefined;
  let carrier: Carrier | undefined;
  let exportStopped = false;
  let split = false;
  let nudged = false;
  let wake = () => {};
  const nudge = () => {
    nudged = true;
    wake();
  };
  /** Until the guest is paused: what is then left to do is done before anybody could take it back. */
  const power = watchPowerOff(machine);
  const unsubscribe = machine.onEvent((event) => {
    if (event.type === 'migration' || event.type === 'memory-pass' || event.type === 'job' || event.type === 'exited')
      nudge();
  });
  const context: CopyContext = {
    ...options,
    async call(call, timeoutMs) {
      await options.call(call, timeoutMs);
      exportStopped ||= call === 'stopExport';
    },
    speeds: limitMirrors(machine, options.policy),
    writes: limitWrites(machine),
    check() {
      signal.throwIfAborted();
      if (carrierLost !== undefined) throw failure(carrierLost);
      power.check();
    },
    async next() {
      if (!nudged)
        await new Promise<void>((resolve) => {
          const cancel = clock.after(LOOK_MS, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      nudged = false;
    },
    postCopy: () => (split ? 'running' : options.postCopyProblem?.() === undefined ? 'possible' : 'impossible'),
    async startPostCopy() {
      // From here on a dead agent must not take the stream along.
      carrier?.keep();
      split = true;
      await machine.startPostCopy();
      options.onMode?.('PostCopy');
    },
    async pauseGuest() {
      // Not by a downtime limit: what is then left would be sent behind the switchover, where nobody may take long.
      await machine.pause();
      options.onMode?.('Paused');
    },
  };
  const { check } = context;

  async function run(): Promise<void> {
    carrier = await options.carrier;
    const { sockets } = carrier;
    carrier.onExit((reason) => {
      carrierLost = reason;
      nudge();
    });
    mark('carrier');
    await requireMemoryAtHand(machine);
    const alive = aliveProof(options);
    const dirtyBytesPerSecond = await copyDisksInSync(context, sockets.block);
    mark('disks in sync');
    check();
    await sendMemory(context, sockets.memory, dirtyBytesPerSecond, () => alive.ask());
    check();
    power.end();
    mark('paused');
    options.onPaused();
    await alive.require();
    await switchOver(context);
  }

  /** The connection that is behind a failure, as the carrier has seen it: all that QEMU knows is that it cannot go on. */
  const lostConnection = (): string => {
    const channel = !exportStopped && carrier?.lost('block') !== undefined ? 'block' : 'memory';
    const reason = carrier?.lost(channel);
    return reason === undefined ? '' : ` (the ${channel} connection to the target: ${reason})`;
  };

  const over = run()
    .catch(async (error: unknown) => {
      await allRead();
      if (!signal.aborted) options.onFailed(carrierLost ?? `${describeError(error)}${lostConnection()}`);
    })
    .finally(() => {
      power.end();
      unsubscribe();
    });

  return {
    over,
    isSplit: () => split,
    stop() {
      stopped.abort(failure('The migration was given up'));
      nudge();
    },
  };
}

/** Before a disk is copied for nothing: QEMU has one migration of memory at a time, and may never end one (`cancelMemory`). */
async function requireMemoryAtHand(machine: Machine): Promise<void> {
  if ((await machine.memory()).status !== 'cancelling') return;
  throw failure(
    'An earlier migration never ended in the QEMU of this guest, which can leave it only after a restart of the VM',
  );
}

/** The guest is paused: every millisecond counts. */
async function switchOver(context: CopyContext): Promise<void> {
  const { machine, copyDisks, check, mark } = context;
  check();
  await context.speeds.unlimited(copyDisks);
  await Promise.all(copyDisks.map((disk) => machine.finishMirror(disk)));
  mark('mirrors finished');
  check();
  // The guest is paused and both sides of every disk are complete and the same: what is to be verified is verified here.
  if (copyDisks.length > 0) await context.call('stopExport', STOP_EXPORT_MS);
  mark('export stopped');
  check();
  await context.verify?.(check);
  await machine.continueSwitchover();
  for (;;) {
    check();
    const memory = await machine.memory();
    if (memory.status === 'completed') break;
    if (memory.status === 'postcopy-active') {
      mark('processors sent');
      return context.onSent(true);
    }
    if (memory.status === 'failed' || memory.status === 'cancelled' || memory.status === 'postcopy-paused')
      throw failure(`Sending memory failed: ${memory.error ?? memory.status}`);
    await context.next();
  }
  mark('memory sent');
  context.onSent(false);
}

/** Asks the target ahead of the pause, so that it need not be asked within; a question without an answer proves nothing. */
function aliveProof({ call, clock }: SourceCopyOptions) {
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let aliveAtMs = Number.NEGATIVE_INFINITY;
  return {
    ask() {
      const nowMs = clock.now();
      if (nowMs - askedAtMs < ALIVE_EVERY_MS) return;
      askedAtMs = nowMs;
      call('alive', ALIVE_MS).then(
        () => (aliveAtMs = Math.max(aliveAtMs, nowMs)),
        () => undefined,
      );
    },
    async require() {
      if (clock.now() - aliveAtMs > ALIVE_FRESH_MS) await call('alive', ALIVE_MS);
    },
  };
}
