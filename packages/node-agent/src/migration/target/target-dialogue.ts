import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { TargetMessage } from '@godwit/migration';
import { listenControl, migrationUri, type ControlChannel, type LinkCredentials } from '@godwit/migration-link';
import type { TargetContext } from './target-context.ts';
import { readSourceWire, type SourceWire, type TargetWire } from '../wire.ts';

type Said = Extract<SourceWire, { type: 'handover' }>;
type Call = Extract<SourceWire, { type: 'call' }>;

/** What a target's agent hears from its source, which is who calls, and says to it, as long as that is there. */
export interface TargetDialogue {
  /** Says it to nobody when there is no source; who missed it asks. */
  say(message: TargetMessage, more: Omit<Extract<TargetWire, { type: 'handover' }>, 'type' | 'message'>): void;
  /** Resolves with its port, which is the one that the context names, if it names one. */
  listen(credentials: LinkCredentials): Promise<number>;
  /** Who connects from now on does so with these. */
  renew(credentials: LinkCredentials): void;
  close(): Promise<void>;
}

export function createTargetDialogue(
  { identity, host, controlPort }: TargetContext,
  options: {
    readonly onSaid: (said: Said) => void;
    /** Resolves with what is answered. */
    readonly onCall: (call: Call) => Promise<unknown>;
    readonly onLost: (reason: string) => void;
    readonly log: Logger;
  },
): TargetDialogue {
  const { onSaid, onCall, onLost, log } = options;
  let server: Awaited<ReturnType<typeof listenControl>> | undefined;
  let channel: ControlChannel | undefined;

  const answer = async (call: Call, to: ControlChannel) => {
    const { id } = call;
    try {
      to.send({ type: 'return', id, value: await onCall(call) } satisfies TargetWire);
    } catch (error) {
      to.send({ type: 'return', id, error: describeError(error) } satisfies TargetWire);
    }
  };

  const hear = (value: unknown, from: ControlChannel) => {
    const wire = readSourceWire(value);
    if (wire === undefined) return from.close();
    if (wire.type === 'handover') onSaid(wire);
    else void answer(wire, from);
  };

  return {
    say: (message, more) => channel?.send({ type: 'handover', message, ...more } satisfies TargetWire),
    async listen(credentials) {
      const onRefused = (reason: string) => log.warn({ reason }, 'refused a connection');
      const peerUri = migrationUri(identity, 'source');
      server = await listenControl({ host, port: controlPort, credentials, peerUri, onRefused }, (made) => {
        channel?.close();
        channel = made;
        made.onMessage((value) => hear(value, made));
        made.onClose((reason) => {
          if (channel !== made) return;
          channel = undefined;
          onLost(reason);
        });
      });
      return server.port;
    },
    renew: (credentials) => server?.renew(credentials),
    close: async () => server?.close(),
  };
}
