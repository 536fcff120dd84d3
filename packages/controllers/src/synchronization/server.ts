import { GodwitError, describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { ServerUnaryCall, ServiceDefinition, UntypedServiceImplementation, sendUnaryData } from '@grpc/grpc-js';
import { commonNames } from './certificates.ts';
import type { Credentials } from './credentials.ts';
import { decodeStatusRequest, decodeText, encodeText, methods } from './wire.ts';
import type { StatusRequest } from './wire.ts';

/** What a peer may ask. Each answers the text of the response; what it throws becomes a gRPC error of code Unknown. */
export interface SyncHandlers {
  syncSource(request: StatusRequest): Promise<string>;
  syncTarget(request: StatusRequest): Promise<string>;
  cancel(migrationUid: string): Promise<string>;
}

export interface SyncServer {
  readonly port: number;
  stop(): Promise<void>;
}

interface PeerCall {
  getAuthContext(): { sslPeerCertificate?: { subject?: { CN?: string | string[] } } } | null;
}

function isSynchronizer(call: PeerCall): boolean {
  return call.getAuthContext()?.sslPeerCertificate?.subject?.CN === commonNames.client;
}

function method<Request>(path: string, decode: (bytes: Buffer) => Request): ServiceDefinition[string] {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: decode,
    responseSerialize: encodeText,
    responseDeserialize: decodeText,
  };
}

const service: ServiceDefinition = {
  syncSource: method(methods.syncSource, decodeStatusRequest),
  syncTarget: method(methods.syncTarget, decodeStatusRequest),
  cancel: method(methods.cancel, decodeText),
};

/** Listens with mutual TLS; only certificates of the trusted CAs that bear a synchronization controller's name get in. */
export async function startSyncServer(
  listen: { readonly host: string; readonly port: number },
  credentials: Credentials,
  handlers: SyncHandlers,
  log: Logger,
): Promise<SyncServer> {
  const grpc = await import('@grpc/grpc-js');
  const server = new grpc.Server({ 'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_permit_without_calls': 1 });
  function unary<Request>(name: string, answer: (request: Request) => Promise<string>) {
    return (call: ServerUnaryCall<Request, string>, reply: sendUnaryData<string>): void => {
      if (!isSynchronizer(call)) {
        reply({ code: grpc.status.PERMISSION_DENIED, details: 'the client is not a synchronization controller' });
        return;
      }
      answer(call.request).then(
        (message) => reply(null, message),
        (error: unknown) => {
          log.debug({ method: name, error: describeError(error) }, 'a peer was refused');
          reply({ code: grpc.status.UNKNOWN, details: describeError(error) });
        },
      );
    };
  }
  const implementation: UntypedServiceImplementation = {
    syncSource: unary('syncSource', (request: StatusRequest) => handlers.syncSource(request)),
    syncTarget: unary('syncTarget', (request: StatusRequest) => handlers.syncTarget(request)),
    cancel: unary('cancel', (migrationUid: string) => handlers.cancel(migrationUid)),
  };
  server.addService(service, implementation);
  const { provider } = credentials;
  const serverCredentials = grpc.experimental.createCertificateProviderServerCredentials(provider, provider, true);
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${listen.port}`, serverCredentials, (error, bound) => {
      if (error)
        reject(
          new GodwitError('SYNC_LISTEN', `Cannot listen on ${host}:${listen.port} for other clusters`, {
            cause: error,
            retry: 'backoff',
          }),
        );
      else resolve(bound);
    });
  });
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        server.forceShutdown();
      }),
  };
}
