import { describeError, GodwitError, isGodwitError } from '@godwit/core/errors';
import type { TargetMessage } from '@godwit/migration';
import { dialControl, type ControlChannel, type LinkCredentials } from '@godwit/migration-link';
import { readTargetWire, type Call, type Question, type SourceWire, type TargetWire } from '../wire.ts';

/** The source's way to the target agent: dials when something is to be said and reports when the link breaks. */
export interface SourceLink {
  /** Rejects with LINK_UNREACHABLE or LINK_PEER_REFUSED when there is no link and none can be made. */
  send(wire: SourceWire): Promise<void>;
  /** Rejects with LINK_CLOSED when the link breaks or no answer comes in time. */
  call(call: Call, timeoutMs: number): Promise<void>;
  /** As `call`, for an answer. */
  ask(question: Question, timeoutMs: number): Promise<unknown>;
  close(): void;
}

const DIAL_ATTEMPTS = 3;

export function createSourceLink(options: {
  readonly host: string;
  readonly port: number;
  /** Asked each time it dials: the last ones may have expired. */
  readonly credentials: () => Promise<LinkCredentials>;
  readonly peerUri: string;
  readonly onMessage: (
    message: TargetMessage,
    more: Omit<Extract<TargetWire, { type: 'handover' }>, 'message'>,
  ) => void;
  readonly onLost: (reason: string) => void;
}): SourceLink {
  let channel: ControlChannel | undefined;
  let dialing: Promise<ControlChannel> | undefined;
  let closed = false;
  let nextId = 1;
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();

  const connected = async (): Promise<ControlChannel> => {
    if (channel !== undefined) return channel;
    dialing ??= dial().finally(() => (dialing = undefined));
    return dialing;
  };

  async function dial(): Promise<ControlChannel> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const made = await dialControl({ ...options, credentials: await options.credentials() });
        if (closed) made.close();
        else use(made);
        return made;
      } catch (error) {
        if (attempt === DIAL_ATTEMPTS || closed || !isGodwitError(error, 'LINK_UNREACHABLE')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
      }
    }
  }

  function use(made: ControlChannel): void {
    channel = made;
    made.onMessage((value) => {
      const wire = readTargetWire(value);
      if (wire === undefined) made.close();
      else if (wire.type === 'handover') options.onMessage(wire.message, wire);
      else if (wire.error === undefined) waiting.get(wire.id)?.resolve(wire.value);
      else waiting.get(wire.id)?.reject(new GodwitError('LINK_CALL_FAILED', wire.error));
    });
    made.onClose((reason) => {
      if (channel === made) channel = undefined;
      for (const { reject } of waiting.values()) reject(new GodwitError('LINK_CLOSED', reason));
      if (!closed) options.onLost(reason);
    });
  }

  async function exchange(question: Question | { readonly call: Call }, timeoutMs: number): Promise<unknown> {
    const id = nextId++;
    const answer = Promise.withResolvers<unknown>();
    waiting.set(id, answer);
    const timer = setTimeout(
      () =>
        answer.reject(
          new GodwitError('LINK_CLOSED', `The target agent did not answer "${question.call}" within ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    try {
      const link = await connected();
      link.send({ type: 'call', id, ...question } satisfies SourceWire);
      return await answer.promise;
    } catch (error) {
      throw new GodwitError('LINK_CLOSED', describeError(error), { retry: 'backoff' });
    } finally {
      clearTimeout(timer);
      waiting.delete(id);
    }
  }

  return {
    async send(wire) {
      (await connected()).send(wire);
    },
    async call(call, timeoutMs) {
      await exchange({ call }, timeoutMs);
    },
    ask: exchange,
    close() {
      closed = true;
      channel?.close();
    },
  };
}
