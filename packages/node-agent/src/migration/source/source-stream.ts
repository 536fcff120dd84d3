import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import { ifInTime } from '@godwit/core/in-time';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { Carrier, LinkCredentials } from '@godwit/migration-link';
import { startSourceCarrier } from './source-carrier.ts';
import type { SourceContext } from './source-context.ts';
import type { Rejoin } from '../wire.ts';

/** A connection to the target agent's node and a handshake, on a machine that is as busy as it may be. */
const REACH_MS = 15_000;
/** Each takes some seconds. */
const STUCK_LOOKS = 2;

/** What joining a torn stream has come to. */
export type Joining =
  /** The rest is on its way, or will be when both QEMUs have compared what has arrived: by this very call (`anew`) or before. */
  | { readonly state: 'joined'; readonly anew: boolean }
  /** To be tried again; `why` it is not flowing yet. */
  | { readonly state: 'waiting'; readonly why: string }
  /** QEMU waits for an answer on a connection that is gone, and has no way out of that. */
  | { readonly state: 'hopeless'; readonly why: string };

/** What carries a source's bytes: one carrier, and in post-copy another one each time that breaks. */
export interface SourceStream {
  /** Of the first carrier; absent after a restart, when nothing is copied any more. */
  readonly listening: Promise<Carrier> | undefined;
  /** Bytes that have travelled; exact once it is closed. */
  readonly carried: () => number;
  /** Post-copy: sends the rest to where the target waits for it now, unless it is on its way. Never rejects. */
  joinAgain(machine: Machine, rejoin: Rejoin): Promise<Joining>;
  /** What is connected from now on is so with these. */
  renew(credentials: LinkCredentials): void;
  leave(): Promise<void>;
  close(): Promise<void>;
}

export function createSourceStream(
  context: SourceContext,
  options: {
    readonly live: boolean;
    readonly memoryConnections: number;
    readonly credentials: () => Promise<LinkCredentials>;
    readonly log: Logger;
    readonly clock: Clock;
  },
): SourceStream {
  const { log, clock } = options;
  // Beside the target's preparations, which take longer.
  let carrier = options.live ? startSourceCarrier(context, log, options.memoryConnections) : undefined;
  let before = 0;
  let stuck = 0;
  /** The place to which QEMU was sent last: none is good for two connections. */
  let joined: { readonly number: number; readonly by: Carrier } | undefined;

  /** While QEMU asks the target what is missing, the end of that connection is the end of everything. */
  const recovering = (): Joining => {
    const lost = joined?.by.ended() ?? joined?.by.lost('memory');
    return lost === undefined
      ? { state: 'joined', anew: false }
      : { state: 'hopeless', why: `The connection broke again while both QEMUs compared what had arrived: ${lost}` };
  };

  /** Once is not enough: QEMU may have been kept from looking. */
  const sentInVain = (): Joining => {
    stuck += 1;
    return stuck < STUCK_LOOKS
      ? { state: 'waiting', why: 'QEMU does not see that the connection broke' }
      : {
          state: 'hopeless',
          why: 'The connection broke with the last of the memory on it, which QEMU does not send again',
        };
  };

  /**
   * A carrier that has reached the one of the target: only then may QEMU be told to go on. It does not survive a connection
   * that ends while it compares with the target what has arrived (before QEMU 8.2).
   */
  const carrierTo = async ({ memory, block }: Rejoin): Promise<Carrier> => {
    await carrier?.close();
    before += carrier?.carried() ?? 0;
    const { target } = context;
    const there = { ...target, ports: { ...target.ports, memory, block } };
    carrier = startSourceCarrier({ ...context, credentials: await options.credentials(), target: there }, log);
    const started = await carrier.listening;
    const ended = new Promise<void>((resolve) => started.onExit(() => resolve()));
    const reached = started.reached.then(() => true);
    if (!(await ifInTime(Promise.race([reached, ended]), REACH_MS, clock)))
      throw new Error(started.ended() ?? `the target's node was not reached within ${REACH_MS} ms`);
    return started;
  };

  return {
    listening: carrier?.listening,
    carried: () => before + (carrier?.carried() ?? 0),
    async joinAgain(machine, rejoin) {
      try {
        const { status } = await machine.memory();
        if (status === 'postcopy-recover') return recovering();
        if (status !== 'postcopy-paused' && status !== 'postcopy-active') return { state: 'joined', anew: false };
        // The target says where it waits until it has something. A sound stream is the one that was asked for before, and
        // a place where a stream broke is of no use: the target offers another once it has seen that.
        if (joined?.number === rejoin.number)
          return status === 'postcopy-active'
            ? { state: 'joined', anew: false }
            : { state: 'waiting', why: 'the target has not seen yet that the connection broke again' };
        if (!(await machine.endStream())) return sentInVain();
        const by = await carrierTo(rejoin);
        by.keep();
        joined = { number: rejoin.number, by };
        // QEMU answers before it has connected: what is asked meanwhile would find it paused.
        const goesOn = await machine.sendMemoryAgain(by.sockets.memory);
        if (!goesOn) {
          // It has not connected, so that the place is as good as before.
          await by.close();
          if ((await machine.memory()).status === 'postcopy-paused') joined = undefined;
          return { state: 'waiting', why: 'QEMU does not connect' };
        }
        return { state: 'joined', anew: true };
      } catch (error) {
        return { state: 'waiting', why: describeError(error) };
      }
    },
    renew: (credentials) => carrier?.renew(credentials),
    leave: async () => carrier?.leave(),
    close: async () => carrier?.close(),
  };
}
