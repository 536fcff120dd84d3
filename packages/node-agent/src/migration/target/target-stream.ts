import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { migrationUri, startCarrier, type Carrier, type LinkCredentials } from '@godwit/migration-link';
import { allRead } from '../all-read.ts';
import { qemuSockets } from './prepare-target.ts';
import type { TargetContext } from './target-context.ts';
import type { MigrationPorts } from '../types.ts';
import type { Rejoin } from '../wire.ts';

/** A network that is whole again within half a minute has lost nothing; the guest stands still meanwhile for most of what it does. */
const SILENT_S = 30;

/** What carries a guest's bytes to its target: one carrier, and in post-copy another one each time that breaks. */
export interface TargetStream {
  /** Resolves with where the source's carrier must connect. */
  open(): Promise<Omit<MigrationPorts, 'control'>>;
  /** Post-copy: the rest comes. From here on a dead agent must not take the stream along, and silence is the end of it. */
  comes(): void;
  /** Resolves with how the memory connection from the source was lost, to be said behind an end of QEMU; '' when it was not. */
  lost(): Promise<string>;
  /** The stream broke, whatever became of the carrier. */
  broke(): void;
  /**
   * Post-copy: has QEMU wait for the rest of the memory, on a new carrier unless one has been waiting since the stream broke.
   * Rejects when QEMU does not; then there is no place to connect to.
   */
  waitForRest(machine: Machine): Promise<void>;
  /** Where it waits; each place is for one connection. */
  rejoin(): Rejoin | undefined;
  /** What is connected from now on is so with these. */
  renew(credentials: LinkCredentials): void;
  leave(): Promise<void>;
  close(): Promise<void>;
}

export function createTargetStream(
  { identity, host, directory, plain }: TargetContext,
  options: {
    readonly credentials: () => Promise<LinkCredentials>;
    readonly onExit: (reason: string) => void;
    readonly log: Logger;
    readonly clock: Clock;
  },
): TargetStream {
  const { log, clock } = options;
  const sockets = qemuSockets(directory);
  let carrier: Carrier | undefined;
  let isStale = true;
  let rejoin: Rejoin | undefined;

  const stream: TargetStream = {
    async open() {
      const peerUri = migrationUri(identity, 'source');
      const tls = plain === true ? {} : { tls: { credentials: await options.credentials(), peerUri } };
      const opened = await startCarrier({ role: 'target', host, sockets, ...tls }, (reason) =>
        log.warn({ reason }, 'carrier'),
      );
      carrier = opened;
      isStale = false;
      opened.onExit((reason) => {
        isStale ||= carrier === opened;
        options.onExit(reason);
      });
      return { memory: opened.ports?.memory ?? 0, block: opened.ports?.block ?? 0 };
    },
    comes() {
      carrier?.keep();
      carrier?.watch(SILENT_S);
    },
    renew: (credentials) => carrier?.renew(credentials),
    async lost() {
      await allRead();
      const reason = carrier?.lost('memory');
      return reason === undefined ? '' : ` (the memory connection from the source: ${reason})`;
    },
    broke() {
      isStale = true;
    },
    async waitForRest(machine) {
      // Whoever has been told where to connect may be doing so: nothing there is touched again before it has broken.
      if (!isStale && rejoin !== undefined) return;
      rejoin = undefined;
      await carrier?.close();
      const ports = await stream.open();
      carrier?.keep();
      await machine.acceptMemoryAgain(sockets.memory);
      rejoin = { ...ports, number: clock.now() };
    },
    rejoin: () => rejoin,
    leave: async () => carrier?.leave(),
    close: async () => carrier?.close(),
  };
  return stream;
}
