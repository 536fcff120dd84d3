import { createServer, type Socket } from 'node:net';
import { isObject } from '@godwit/core/json';
import { createLineSplitter } from '../line-splitter.ts';

export type FakeReply =
  | { readonly return: unknown }
  | { readonly error: { readonly class: string; readonly desc: string } };

export interface ReceivedCommand {
  readonly execute: string;
  readonly arguments: unknown;
  readonly outOfBand: boolean;
}

export interface FakeQmpServer extends AsyncDisposable {
  readonly path: string;
  /** Every command received, negotiation included. */
  readonly received: readonly ReceivedCommand[];
  emit(event: string, data?: object, timestamp?: { seconds: number; microseconds: number }): void;
  /** Sends text as it is, to break the protocol on purpose. */
  sendRaw(text: string): void;
  /** Cuts every connection; the server goes on listening. */
  disconnect(): void;
}

const GREETING = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: 'fake' }, capabilities: ['oob'] },
};

/**
 * A QMP monitor on a unix socket with scripted replies. As QEMU does, it refuses every command before
 * `qmp_capabilities`. `reply` gives the answer to one command; undefined leaves it unanswered.
 */
export async function startFakeQmpServer(options: {
  readonly path: string;
  readonly reply?: (execute: string, args: unknown) => FakeReply | undefined;
  readonly greet?: boolean;
}): Promise<FakeQmpServer> {
  const sockets = new Set<Socket>();
  const received: ReceivedCommand[] = [];
  const server = createServer((socket) => {
    let negotiated = false;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on(
      'data',
      createLineSplitter((line) => {
        const message: unknown = JSON.parse(line);
        if (!isObject(message)) return;
        const outOfBand = 'exec-oob' in message;
        const execute = String(message['exec-oob'] ?? message['execute']);
        received.push({ execute, arguments: message['arguments'], outOfBand });
        const reply = answer(execute, message['arguments'], negotiated, options.reply);
        if (execute === 'qmp_capabilities') negotiated = true;
        if (reply) socket.write(`${JSON.stringify({ ...reply, id: message['id'] })}\r\n`);
      }),
    );
    if (options.greet !== false) socket.write(`${JSON.stringify(GREETING)}\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(options.path, resolve));
  const sendRaw = (text: string): void => {
    for (const socket of sockets) socket.write(text);
  };
  return {
    path: options.path,
    received,
    sendRaw,
    emit: (event, data = {}, timestamp = { seconds: 0, microseconds: 0 }) =>
      sendRaw(`${JSON.stringify({ event, data, timestamp })}\r\n`),
    disconnect() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(
  execute: string,
  args: unknown,
  negotiated: boolean,
  reply: ((execute: string, args: unknown) => FakeReply | undefined) | undefined,
): FakeReply | undefined {
  if (execute === 'qmp_capabilities') return { return: {} };
  if (!negotiated) {
    return { error: { class: 'CommandNotFound', desc: 'Expecting capabilities negotiation with qmp_capabilities' } };
  }
  return reply ? reply(execute, args) : { return: {} };
}
