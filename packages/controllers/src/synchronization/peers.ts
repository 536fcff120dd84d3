import { GodwitError } from '@godwit/core/errors';
import type { Client } from '@grpc/grpc-js';
import { commonNames } from './certificates.ts';
import type { Credentials } from './credentials.ts';
import { decodeText, encodeStatusRequest, encodeText, methods } from './wire.ts';

/** Connections to other clusters, one per address, made anew when keys or trust have changed. */
export interface Peers {
  /** Sends one status; resolves when the peer has taken it, rejects with `SYNC_REFUSED` or `SYNC_UNREACHABLE`. */
  sync(address: string, role: 'source' | 'target', migrationId: string, statusJson: string): Promise<void>;
  cancel(address: string, migrationUid: string): Promise<void>;
  /** Ends connections to addresses that nobody needs any more. */
  keepOnly(addresses: ReadonlySet<string>): void;
  stop(): void;
}

const DEADLINE_MS = 10_000;
const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;

/** Names and addresses differ from cluster to cluster and are not checked; the CA and the controller's name are. */
function checkName(_host: string, certificate: { subject?: { CN?: string | string[] } }): Error | undefined {
  const name = certificate.subject?.CN;
  return name === commonNames.server
    ? undefined
    : new Error(`the server is "${String(name)}", not a synchronization controller`);
}

export function createPeers(credentials: Credentials): Peers {
  const clients = new Map<string, { client: Client; generation: number }>();

  async function connect(address: string): Promise<Client> {
    const { leaf, trustPem, generation } = credentials.client();
    const known = clients.get(address);
    if (known?.generation === generation) return known.client;
    known?.client.close();
    const grpc = await import('@grpc/grpc-js');
    const channel = grpc.credentials.createSsl(
      Buffer.from(trustPem),
      Buffer.from(leaf.keyPem),
      Buffer.from(leaf.certPem),
      {
        checkServerIdentity: checkName,
      },
    );
    const client = new grpc.Client(address, channel, {
      // Addresses are not names, and TLS allows only names here.
      'grpc.ssl_target_name_override': 'virt-synchronization-controller',
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 250,
      'grpc.max_reconnect_backoff_ms': 2_000,
      // Channels of two clusters in one process must not share connections made with other keys.
      'grpc.use_local_subchannel_pool': 1,
    });
    clients.set(address, { client, generation });
    return client;
  }

  async function call(address: string, path: string, body: Buffer): Promise<string> {
    const client = await connect(address);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        decodeText,
        body,
        { deadline: Date.now() + DEADLINE_MS },
        (error, reply) => {
          if (!error) return resolve(reply ?? '');
          const unreachable = error.code === UNAVAILABLE || error.code === DEADLINE_EXCEEDED;
          reject(
            unreachable
              ? new GodwitError('SYNC_UNREACHABLE', `${address} cannot be reached: ${error.details}`, {
                  retry: 'backoff',
                })
              : new GodwitError('SYNC_REFUSED', `${address} refused: ${error.details}`, { retry: 'backoff' }),
          );
        },
      );
    });
  }

  return {
    async sync(address, role, migrationId, statusJson) {
      const path = role === 'source' ? methods.syncSource : methods.syncTarget;
      await call(address, path, encodeStatusRequest({ migrationId, statusJson }));
    },
    async cancel(address, migrationUid) {
      await call(address, methods.cancel, encodeText(migrationUid));
    },
    keepOnly(addresses) {
      for (const [address, { client }] of clients) {
        if (addresses.has(address)) continue;
        client.close();
        clients.delete(address);
      }
    },
    stop() {
      for (const { client } of clients.values()) client.close();
      clients.clear();
    },
  };
}
