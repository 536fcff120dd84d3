import { rm } from 'node:fs/promises';
import {
  connect as connectPlain,
  createServer as createPlainServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import {
  connect as connectTls,
  createServer as createTlsServer,
  type ConnectionOptions,
  type TLSSocket,
} from 'node:tls';
import { peerProblem } from './peer.ts';
import { linkTlsOptions, type LinkCredentials } from './tls-options.ts';

export type Channel = 'memory' | 'block';

/** What a carrier is told on its standard input: one line of JSON. */
export type CarrierConfig = (
  | { readonly role: 'source'; readonly host: string; readonly ports: Readonly<Record<Channel, number>> }
  | { readonly role: 'target'; readonly host: string; readonly ports?: Readonly<Record<Channel, number>> }
) & {
  /** Unix sockets: the source carrier listens there, the target carrier connects there. */
  readonly sockets: Readonly<Record<Channel, string>>;
  /** undefined: plain TCP, which only `disableTLS` may ask for. */
  readonly tls?: { readonly credentials: LinkCredentials; readonly peerUri: string };
};

/** Bytes towards the target; what comes back is replies. */
export type Carried = Readonly<Record<Channel, number>>;

export interface Relay {
  /** TCP ports of a target carrier; absent on the source. */
  readonly ports?: Readonly<Record<Channel, number>>;
  carried(): Carried;
}

const CHANNELS = ['memory', 'block'] as const;

/**
 * Joins QEMU's unix sockets with TCP, byte by byte, never looking inside. Every TCP connection has proved the peer's identity
 * before the first byte passes. The end of either side ends the other, so QEMU sees a broken stream at once.
 */
export async function startRelay(config: CarrierConfig, onProblem: (reason: string) => void): Promise<Relay> {
  const carried = { memory: 0, block: 0 };
  const ports = { memory: 0, block: 0 };
  for (const channel of CHANNELS) {
    const join = (near: Socket, far: Socket) => pair(near, far, onProblem, (bytes) => (carried[channel] += bytes));
    if (config.role === 'source') {
      const server = createPlainServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
        dial(config, config.ports[channel], onProblem, near, join);
      });
      // A carrier that was killed left its socket behind.
      await rm(config.sockets[channel], { force: true });
      await listening(server, config.sockets[channel]);
    } else {
      const server = accept(config, onProblem, (far) => {
        const near = connectPlain({ path: config.sockets[channel], allowHalfOpen: true });
        join(far, near);
      });
      await listening(server, { host: config.host, port: config.ports?.[channel] ?? 0 });
      // The cast is safe: a server that listens on TCP has an AddressInfo.
      ports[channel] = (server.address() as AddressInfo).port;
    }
  }
  return { ...(config.role === 'target' ? { ports } : {}), carried: () => ({ ...carried }) };
}

function accept(config: CarrierConfig, onProblem: (reason: string) => void, use: (far: Socket) => void): Server {
  const { tls } = config;
  if (tls === undefined) return createPlainServer({ allowHalfOpen: true }, use);
  const server = createTlsServer(
    { ...linkTlsOptions(tls.credentials), requestCert: true, allowHalfOpen: true },
    (socket: TLSSocket) => {
      const problem = peerProblem(socket.getPeerCertificate(), tls.peerUri);
      if (problem === undefined) return use(socket);
      onProblem(problem);
      socket.destroy();
    },
  );
  server.on('tlsClientError', (error) => onProblem(error.message));
  return server;
}

function dial(
  config: CarrierConfig,
  port: number,
  onProblem: (reason: string) => void,
  near: Socket,
  join: (near: Socket, far: Socket) => void,
): void {
  const { host, tls } = config;
  if (tls === undefined) return join(near, connectPlain({ host, port, allowHalfOpen: true }));
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    ...linkTlsOptions(tls.credentials),
    host,
    port,
    allowHalfOpen: true,
    checkServerIdentity: (_host, certificate) => {
      const problem = peerProblem(certificate, tls.peerUri);
      return problem === undefined ? undefined : new Error(problem);
    },
  };
  const far = connectTls(options, () => {
    far.off('error', failed);
    join(near, far);
  });
  const failed = (error: Error) => {
    onProblem(error.message);
    near.destroy();
  };
  far.on('error', failed);
  near.once('close', () => far.destroy());
}

/** `near` is where bytes towards the target come from. `pipe` brings back-pressure in both directions. */
function pair(near: Socket, far: Socket, onProblem: (reason: string) => void, count: (bytes: number) => void): void {
  for (const socket of [near, far]) {
    socket.setNoDelay(true);
    socket.on('error', (error) => onProblem(error.message));
    socket.once('close', () => {
      near.destroy();
      far.destroy();
    });
  }
  near.on('data', (data: Buffer) => count(data.length));
  near.pipe(far);
  far.pipe(near);
}

async function listening(server: Server, where: string | { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(typeof where === 'string' ? { path: where } : where, resolve);
  });
}
