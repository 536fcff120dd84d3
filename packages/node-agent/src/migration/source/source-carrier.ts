import { join } from 'node:path';
import type { Logger } from '@godwit/core/logger';
import {
  migrationUri,
  startCarrier,
  type Carrier,
  type CarrierConfig,
  type LinkCredentials,
} from '@godwit/migration-link';
import type { SourceContext } from './source-context.ts';

/** The carrier of a source, from before it is needed until nothing more travels. */
export interface SourceCarrier {
  /** Rejects when it cannot listen. */
  readonly listening: Promise<Carrier>;
  /** Bytes that have travelled; exact once it is closed. */
  carried(): number;
  /** As the carrier's `renew`. */
  renew(credentials: LinkCredentials): void;
  /** As the carrier's `leave`. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

/** Sockets of the source carrier in the machine's run directory; names are short because paths are limited to 107 bytes. */
const carrierSockets = (directory: string): CarrierConfig['sockets'] => ({
  memory: join(directory, 'cm.sock'),
  block: join(directory, 'cb.sock'),
});

export function startSourceCarrier(
  { identity, directory, target, credentials, plain }: SourceContext,
  log: Logger,
  memoryConnections = 1,
): SourceCarrier {
  let carrier: Carrier | undefined;
  const config: CarrierConfig = {
    role: 'source',
    host: target.host,
    ports: target.ports,
    sockets: carrierSockets(directory),
    memoryConnections,
    ...(plain === true ? {} : { tls: { credentials, peerUri: migrationUri(identity, 'target') } }),
  };
  const listening = startCarrier(config, (reason) => log.warn({ reason }, 'carrier')).then(
    (started) => (carrier = started),
  );
  listening.catch(() => undefined); // told to whoever copies
  return {
    listening,
    carried() {
      const { memory, block } = carrier?.carried() ?? { memory: 0, block: 0 };
      return memory + block;
    },
    renew: (next) => carrier?.renew(next),
    async leave() {
      await (await listening.catch(() => undefined))?.leave();
    },
    async close() {
      await (await listening.catch(() => undefined))?.close();
    },
  };
}
