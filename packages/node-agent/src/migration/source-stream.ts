import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { Carrier, LinkCredentials } from '@godwit/migration-link';
import { startSourceCarrier } from './source-carrier.ts';
import type { SourceContext } from './source-context.ts';
import type { Rejoin } from './wire.ts';

/** What carries a source's bytes: one carrier, and in post-copy another one each time that breaks. */
export interface SourceStream {
  /** Of the first carrier; absent after a restart, when nothing is copied any more. */
  readonly listening: Promise<Carrier> | undefined;
  /** Bytes that have travelled; exact once it is closed. */
  readonly carried: () => number;
  /** Post-copy: sends the rest to where the target waits for it now, unless it is on its way. Resolves with whether it was not. */
  joinAgain(machine: Machine, rejoin: Rejoin): Promise<boolean>;
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
  },
): SourceStream {
  const { log } = options;
  // Beside the target's preparations, which take longer.
  let carrier = options.live ? startSourceCarrier(context, log, options.memoryConnections) : undefined;
  let before = 0;
  let joined: number | undefined;
  return {
    listening: carrier?.listening,
    carried: () => before + (carrier?.carried() ?? 0),
    async joinAgain(machine, { memory, block, number }) {
      const { status } = await machine.memory();
      // A sound stream is the one that was asked for before, unless the other side has seen its end first.
      if (status !== 'postcopy-paused' && (status !== 'postcopy-active' || joined === number)) return false;
      await carrier?.close();
      before += carrier?.carried() ?? 0;
      const { target } = context;
      const there = { ...target, ports: { ...target.ports, memory, block } };
      carrier = startSourceCarrier({ ...context, credentials: await options.credentials(), target: there }, log);
      const started = await carrier.listening;
      started.keep();
      await machine.sendMemoryAgain(started.sockets.memory);
      joined = number;
      return true;
    },
    renew: (credentials) => carrier?.renew(credentials),
    leave: async () => carrier?.leave(),
    close: async () => carrier?.close(),
  };
}
