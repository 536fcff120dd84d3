import type { Socket } from 'node:net';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { CommandArguments, CommandName, CommandReturn, OutOfBandCommand } from './commands.ts';
import { commandFailed, disconnected } from './errors.ts';
import { createLineSplitter } from './line-splitter.ts';

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When it happened, by QEMU's own clock: epoch milliseconds with a fraction. */
  readonly atMs: number;
}

export interface QmpClient {
  readonly path: string;
  /** Resolves, never rejects, when the connection is over for whatever reason. */
  readonly closed: Promise<void>;
  /**
   * Sends one command and resolves with its reply. Several may be under way; QEMU answers in order.
   * Rejects with `QMP_COMMAND_FAILED` (details hold QEMU's class and description), `QMP_DISCONNECTED` (whether QEMU
   * carried it out is then unknown), or `QMP_COMMAND_TIMEOUT` (it may still be carried out, or never have been sent).
   */
  execute<Name extends CommandName>(
    command: Name,
    ...rest: undefined extends CommandArguments<Name> ? [args?: CommandArguments<Name>] : [args: CommandArguments<Name>]
  ): Promise<CommandReturn<Name>>;
  /**
   * As `execute`, but QEMU carries it out even while its main loop hangs in an earlier command. Only commands that
   * QEMU allows out of band; a monitor without that ability takes its turn.
   */
  executeOutOfBand<Name extends OutOfBandCommand>(
    command: Name,
    ...rest: undefined extends CommandArguments<Name> ? [args?: CommandArguments<Name>] : [args: CommandArguments<Name>]
  ): Promise<CommandReturn<Name>>;
  /** Events come in QEMU's order, each before the reply of any command executed after it. */
  onEvent(listener: (event: QmpEvent) => void): () => void;
  close(): void;
}

interface Pending {
  readonly command: string;
  readonly timer: NodeJS.Timeout;
  resolve(value: unknown): void;
  reject(error: GodwitError): void;
}

/**
 * Commands that QEMU has and has not answered yet. It stops reading once it holds eight, out-of-band ones included:
 * whoever only looks at a QEMU that hangs would then keep the one command from it that helps.
 */
const IN_BAND_LIMIT = 4;

/** QMP over a connected socket. Not usable until `negotiate` has resolved; `connectQmp` calls it. */
export function createQmpSession(
  socket: Socket,
  options: { readonly path: string; readonly commandTimeoutMs: number },
): { readonly client: QmpClient; readonly negotiate: () => Promise<void> } {
  const { path, commandTimeoutMs } = options;
  const pending = new Map<number, Pending>();
  /** In band, by id: with QEMU (even when nobody waits for the answer any more), and still to be sent. */
  const unanswered = new Set<number>();
  const unsent = new Map<number, string>();
  const listeners = new Set<(event: QmpEvent) => void>();
  const closed = Promise.withResolvers<void>();
  const greeted = Promise.withResolvers<readonly unknown[]>();
  // `negotiate` awaits it; without this a rejection before that would be unhandled.
  greeted.promise.catch(() => undefined);
  let nextId = 1;
  let ended = false;
  let reason: unknown;

  const sendInBand = (): void => {
    for (const [id, line] of unsent) {
      if (unanswered.size >= IN_BAND_LIMIT) return;
      unsent.delete(id);
      unanswered.add(id);
      socket.write(line);
    }
  };

  const onReply = (message: Record<string, unknown>): void => {
    const { id } = message;
    if (typeof id !== 'number') return;
    if (unanswered.delete(id)) sendInBand();
    const entry = pending.get(id);
    if (!entry) return; // a reply to a command that timed out
    pending.delete(id);
    clearTimeout(entry.timer);
    const error = message['error'];
    if (isObject(error)) entry.reject(commandFailed(entry.command, String(error['class']), String(error['desc'])));
    else entry.resolve(message['return']);
  };

  const onLine = (line: string): void => {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch (cause) {
      reason = new GodwitError('QMP_PROTOCOL', `QEMU sent something that is not JSON on ${path}`, { cause });
      socket.destroy();
      return;
    }
    if (!isObject(message)) return;
    if (isObject(message['QMP'])) {
      const { capabilities } = message['QMP'];
      greeted.resolve(Array.isArray(capabilities) ? capabilities : []);
    }
    if (typeof message['event'] === 'string') {
      const event = { name: message['event'], data: asObject(message['data']), atMs: eventTime(message['timestamp']) };
      for (const listener of listeners) listener(event);
    } else onReply(message);
  };

  const onEnd = (): void => {
    if (ended) return;
    ended = true;
    const error = disconnected(path, reason);
    greeted.reject(error);
    for (const entry of pending.values()) {
      clearTimeout(entry.timer);
      entry.reject(error);
    }
    pending.clear();
    closed.resolve();
  };

  socket.setEncoding('utf8');
  socket.on('data', createLineSplitter(onLine));
  socket.on('error', (error) => {
    reason ??= error;
  });
  socket.on('end', () => socket.destroy());
  socket.on('close', onEnd);

  const send = <Name extends CommandName>(verb: 'execute' | 'exec-oob', command: Name, args: unknown) =>
    new Promise<CommandReturn<Name>>((resolve, reject) => {
      if (ended || socket.destroyed) {
        reject(disconnected(path, reason));
        return;
      }
      const id = nextId++;
      const timer = setTimeout(() => {
        pending.delete(id);
        unsent.delete(id);
        const text = `QEMU did not answer ${command} within ${commandTimeoutMs} ms`;
        reject(new GodwitError('QMP_COMMAND_TIMEOUT', text, { details: { command, path }, retry: 'backoff' }));
      }, commandTimeoutMs);
      // The cast trusts QEMU's schema, as commands.ts says.
      pending.set(id, { command, timer, resolve: (value) => resolve(value as CommandReturn<Name>), reject });
      const line = `${JSON.stringify({ [verb]: command, arguments: args, id })}\n`;
      if (verb === 'exec-oob') {
        socket.write(line);
        return;
      }
      unsent.set(id, line);
      sendInBand();
    });

  let outOfBand = false;
  const client: QmpClient = {
    path,
    closed: closed.promise,
    execute: (command, ...[args]) => send('execute', command, args),
    executeOutOfBand: (command, ...[args]) => send(outOfBand ? 'exec-oob' : 'execute', command, args),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      socket.destroy();
    },
  };
  const negotiate = async (): Promise<void> => {
    const enable = (await greeted.promise).includes('oob') ? ['oob'] : [];
    await send('execute', 'qmp_capabilities', { enable });
    outOfBand = enable.length > 0;
  };
  return { client, negotiate };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function eventTime(timestamp: unknown): number {
  const { seconds, microseconds } = asObject(timestamp);
  return Number(seconds ?? 0) * 1000 + Number(microseconds ?? 0) / 1000;
}
