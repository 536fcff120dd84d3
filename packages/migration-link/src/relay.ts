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
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { forLargeReads } from './large-reads.ts';
import { mainChannelFirst } from './memory-channels.ts';
import { peerProblem } from './peer.ts';
import { pump } from './pump.ts';
import { linkTlsOptions, type LinkCredentials } from './tls-options.ts';

export type Channel = 'memory' | 'block';

/** What a carrier is told on its standard input: one line of JSON. */
export type CarrierConfig = (
  | { readonly role: 'source'; readonly host: string; readonly ports: Readonly<Record<Channel, number>> }
  | { readonly role: 'target'; readonly host: string; readonly ports?: Readonly<Record<Channel, number>> }
) & {
  /** Unix sockets: the source carrier listens there, the target carrier connects there. */
  readonly sockets: Readonly<Record<Channel, string>>;
  /** How many connections QEMU makes for memory, the main one included; default 1. Of a source. */
  readonly memoryConnections?: number;
  /** undefined: plain TCP, which only `disableTLS` may ask for. */
  readonly tls?: { readonly credentials: LinkCredentials; readonly peerUri: string };
};

/** Bytes towards the target; what comes back is replies. */
export type Carried = Readonly<Record<Channel, number>>;

export interface Relay {
  /** TCP ports of a target carrier; absent on the source. */
  readonly ports?: Readonly<Record<Channel, number>>;
  carried(): Carried;
  /** Connections from now on are made and accepted with these; those that stand stay. */
  renew(credentials: LinkCredentials): void;
  /** Resolves when the memory connections that a source makes ahead have reached the target; never, while they do not. */
  readonly ahead: Promise<unknown>;
  /** QEMU has one. */
  memoryInUse(): boolean;
  /** Resolves when no memory connection is in use, at once when none is. */
  memoryOver(): Promise<void>;
  /** Ends the memory connections that are in use, for QEMU at once. */
  breakMemory(): void;
}

type OnLost = (channel: Channel, reason: string) => void;

const CHANNELS = ['memory', 'block'] as const;

const KEEP_ALIVE_MS = 30_000;

/**
 * Joins QEMU's unix sockets with TCP, byte by byte, never looking inside. Every TCP connection has proved the peer's identity
 * before the first byte passes. The end of either side ends the other, so QEMU sees a broken stream at once.
 *
 * Memory travels after the disks, which may take longer than certificates are good for: its connections are made at the
 * start, and the target's QEMU hears of them with the first bytes (`memory-channels.ts`). Disks are NBD, where the server
 * speaks first.
 *
 * `onLost` hears of connections in use that the peer or the network has ended, before QEMU does.
 */
export async function startRelay(
  first: CarrierConfig,
  onProblem: (reason: string) => void,
  onLost: OnLost = () => undefined,
): Promise<Relay> {
  const carried = { memory: 0, block: 0 };
  const ports = { memory: 0, block: 0 };
  const inUse = new Set<Socket>();
  const servers: TlsServer[] = [];
  let madeAhead: Promise<void>[] = [];
  let config = first;
  let over = () => {};
  for (const channel of CHANNELS) {
    const group = channel === 'memory' ? new Set<Socket>() : undefined;
    const join = (near: Socket, far: Socket) => {
      if (channel === 'memory') inUse.add(far);
      far.once('close', () => {
        if (inUse.delete(far) && inUse.size === 0) over();
      });
      pair(near, far, onProblem, (bytes) => (carried[channel] += bytes), group);
    };
    if (first.role === 'source') {
      const port = first.ports[channel];
      const ahead = channel === 'memory' ? (config.memoryConnections ?? 1) : 0;
      const ready = Array.from({ length: ahead }, () => dial(config, port, onProblem));
      if (channel === 'memory') madeAhead = ready.map((far) => new Promise((made) => whenConnected(far, made)));
      const server = createPlainServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
        const near = forLargeReads(accepted);
        const made = ready.shift();
        const far = made?.destroyed === false ? made : dial(config, port, onProblem);
        tellLost(near, far, channel, onLost);
        joinWhenConnected(near, far, join);
      });
      // A carrier that was killed left its socket behind.
      await rm(first.sockets[channel], { force: true });
      await listening(server, first.sockets[channel]);
    } else {
      const connectNear = (far: Socket): Socket => {
        const near = connectPlain({ path: first.sockets[channel], allowHalfOpen: true });
        tellLost(near, far, channel, onLost);
        join(far, near);
        return near;
      };
      const inOrder = mainChannelFirst(connectNear);
      const server = accept(first, onProblem, (accepted) => {
        const far = forLargeReads(accepted);
        if (channel === 'block') return void connectNear(far);
        far.on('error', (error) => onProblem(error.message));
        inOrder(far);
      });
      if ('setSecureContext' in server) servers.push(server);
      await listening(server, { host: first.host, port: first.ports?.[channel] ?? 0 });
      // The cast is safe: a server that listens on TCP has an AddressInfo.
      ports[channel] = (server.address() as AddressInfo).port;
    }
  }
  return {
    ...(first.role === 'target' ? { ports } : {}),
    carried: () => ({ ...carried }),
    ahead: Promise.all(madeAhead),
    renew(credentials) {
      if (config.tls === undefined) return;
      config = { ...config, tls: { ...config.tls, credentials } };
      for (const server of servers) server.setSecureContext(linkTlsOptions(credentials));
    },
    memoryInUse: () => inUse.size > 0,
    breakMemory() {
      for (const socket of inUse) socket.destroy();
    },
    memoryOver: () =>
      new Promise((resolve) => {
        over = resolve;
        if (inUse.size === 0) resolve();
      }),
  };
}

function accept(
  config: CarrierConfig,
  onProblem: (reason: string) => void,
  use: (far: Socket) => void,
): Server | TlsServer {
  const { tls } = config;
  const alive = { allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  if (tls === undefined) return createPlainServer({ ...alive, pauseOnConnect: true }, use);
  const server = createTlsServer(
    { ...linkTlsOptions(tls.credentials), ...alive, requestCert: true },
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

/** A connection towards the target; destroyed when it cannot be made or the peer is somebody else. */
function dial(config: CarrierConfig, port: number, onProblem: (reason: string) => void): Socket {
  const { host, tls } = config;
  if (tls === undefined) {
    const plain = connectPlain({ host, port, allowHalfOpen: true, keepAlive: true });
    return plain.on('error', (error) => onProblem(error.message));
  }
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
  const far = connectTls(options);
  far.setKeepAlive(true, KEEP_ALIVE_MS);
  return far.on('error', (error) => onProblem(error.message));
}

function joinWhenConnected(near: Socket, far: Socket, join: (near: Socket, far: Socket) => void): void {
  if (isConnected(far)) return join(near, far);
  near.on('error', () => far.destroy());
  near.once('close', () => far.destroy());
  far.once('close', () => near.destroy());
  whenConnected(far, () => join(near, far));
}

function isConnected(far: Socket): boolean {
  return 'authorized' in far ? far.authorized === true : !far.connecting;
}

/** `near` is QEMU's: what it has ended itself is not lost. */
function tellLost(near: Socket, far: Socket, channel: Channel, onLost: OnLost): void {
  far.once('error', (error) => onLost(channel, error.message));
  far.once('end', () => near.readableEnded || onLost(channel, 'closed by the peer'));
}

/** Calls back once it is, which it is not yet. */
function whenConnected(far: Socket, then: () => void): void {
  far.once('authorized' in far ? 'secureConnect' : 'connect', then);
}

/** `near` is where bytes towards the target come from. A connection of a group that breaks breaks all of them. */
function pair(
  near: Socket,
  far: Socket,
  onProblem: (reason: string) => void,
  count: (bytes: number) => void,
  group: Set<Socket> = new Set(),
): void {
  for (const socket of [near, far]) {
    group.add(socket);
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      onProblem(error.message);
      for (const other of group) other.destroy();
    });
    socket.once('close', () => group.delete(socket));
    socket.once('close', () => {
      near.destroy();
      far.destroy();
    });
  }
  pump(near, far, count);
  pump(far, near, () => undefined);
}

async function listening(server: Server, where: string | { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(typeof where === 'string' ? { path: where } : where, resolve);
  });
}
