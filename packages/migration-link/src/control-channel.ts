import type { Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { linkError } from './errors.ts';
import { peerProblem } from './peer.ts';
import { linkTlsOptions, type LinkCredentials } from './tls-options.ts';

/** A connection that carries JSON values, one a line. Both ends send a blank line when idle, so a dead peer is noticed. */
export interface ControlChannel {
  /** Dropped silently when the channel is closed: whoever needs an answer asks again. */
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, also when it is closed already; the reason is a sentence. */
  onClose(listener: (reason: string) => void): void;
  close(): void;
}

export interface ControlServer {
  readonly port: number;
  /** Connections from now on are accepted with these; those that stand stay. */
  renew(credentials: LinkCredentials): void;
  close(): Promise<void>;
}

interface Link {
  readonly host: string;
  readonly port: number;
  readonly credentials: LinkCredentials;
  /** Exact identity that the other end must prove. */
  readonly peerUri: string;
}

const IDLE_MS = 2000;
const DEAD_MS = 7000;
const MAX_LINE_BYTES = 8 * 2 ** 20;

/**
 * Listens with mutual TLS 1.3; `port` 0 lets the system choose. A connection is given out only after its certificate
 * proved `peerUri`; others are closed and told to `onRefused`. A new connection replaces the one before it.
 */
export async function listenControl(
  options: Link & { readonly onRefused?: (reason: string) => void },
  onConnection: (channel: ControlChannel) => void,
): Promise<ControlServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ ...linkTlsOptions(options.credentials), requestCert: true }, (socket) => {
    const problem = peerProblem(socket.getPeerCertificate(), options.peerUri);
    if (problem === undefined) onConnection(controlChannel(socket));
    else {
      options.onRefused?.(problem);
      socket.destroy();
    }
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error) => options.onRefused?.(error.message));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    renew: (credentials) => server.setSecureContext(linkTlsOptions(credentials)),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Rejects with LINK_PEER_REFUSED when the other end is somebody else, LINK_UNREACHABLE when nobody answers in `timeoutMs`. */
export async function dialControl(options: Link & { readonly timeoutMs?: number }): Promise<ControlChannel> {
  const { host, port, peerUri } = options;
  return new Promise((resolve, reject) => {
    let refused: string | undefined;
    const socket = connect({
      ...linkTlsOptions(options.credentials),
      host,
      port,
      checkServerIdentity: (_host, certificate) => {
        refused = peerProblem(certificate, peerUri);
        return refused === undefined ? undefined : new Error(refused);
      },
    });
    const timer = setTimeout(() => socket.destroy(new Error('No answer in time')), options.timeoutMs ?? 5000);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(controlChannel(socket));
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      const code = refused === undefined ? 'LINK_UNREACHABLE' : 'LINK_PEER_REFUSED';
      reject(linkError(code, `Cannot reach the peer agent at ${host}:${port}`, error));
    });
  });
}

function controlChannel(socket: TLSSocket): ControlChannel {
  const messages: ((message: unknown) => void)[] = [];
  const early: unknown[] = [];
  const closers: ((reason: string) => void)[] = [];
  let closed: string | undefined;
  let buffer = '';
  let heardAtMs = performance.now();
  const close = (reason: string) => {
    if (closed !== undefined) return;
    closed = reason;
    clearInterval(beat);
    socket.destroy();
    for (const listener of closers) listener(reason);
  };
  const beat = setInterval(() => {
    if (performance.now() - heardAtMs > DEAD_MS) close('The peer agent is silent');
    else socket.write('\n');
  }, IDLE_MS);
  beat.unref();
  socket.setNoDelay(true);
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    heardAtMs = performance.now();
    buffer += text;
    for (let end = buffer.indexOf('\n'); end >= 0 && closed === undefined; end = buffer.indexOf('\n')) {
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + 1);
      if (line === '') continue;
      let message: unknown;
      try {
        message = JSON.parse(line);
      } catch {
        return close('The peer agent sent something that is not JSON');
      }
      if (messages.length === 0) early.push(message);
      for (const listener of messages) listener(message);
    }
    if (buffer.length > MAX_LINE_BYTES) close('The peer agent sent too long a line');
  });
  socket.on('error', (error) => close(`The link to the peer agent failed: ${error.message}`));
  socket.on('close', () => close('The peer agent closed the link'));
  return {
    send(message) {
      if (closed === undefined) socket.write(`${JSON.stringify(message)}\n`);
    },
    onMessage(listener) {
      messages.push(listener);
      for (const message of early.splice(0)) listener(message);
    },
    onClose(listener) {
      if (closed === undefined) closers.push(listener);
      else listener(closed);
    },
    close: () => close('Closed by this side'),
  };
}
