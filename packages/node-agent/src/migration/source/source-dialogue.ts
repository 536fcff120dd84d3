import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { MachineSpec } from '@godwit/hypervisor';
import type { SourceEvent, SourceMessage, TargetMessage } from '@godwit/migration';
import { migrationUri, type LinkCredentials } from '@godwit/migration-link';
import type { SourceContext } from './source-context.ts';
import type { SourceFigures } from './source-figures.ts';
import { createSourceLink, type SourceLink } from './source-link.ts';
import type { SourceTerms } from './source-terms.ts';
import type { Rejoin } from '../wire.ts';

/** What a source says to its target's agent, and hears from there, as the handover wants it. */
export interface SourceDialogue extends Pick<SourceLink, 'call' | 'ask' | 'close'> {
  /** Resolves once it is said, or with the event that it cannot be. */
  say(message: SourceMessage): Promise<SourceEvent | undefined>;
  /** As if the target had just said so. */
  hear(message: TargetMessage): void;
}

export function createSourceDialogue(
  { identity, target }: SourceContext,
  options: {
    readonly credentials: () => Promise<LinkCredentials>;
    readonly terms: SourceTerms;
    /** Of the machine that moves; absent after a restart, when no `hello` is said any more. */
    readonly spec: MachineSpec | undefined;
    readonly figures: SourceFigures;
    readonly give: (event: SourceEvent) => void;
    readonly onNotice: (notice: string) => void;
    readonly onRejoin: (place: Rejoin | undefined) => void;
    readonly clock: Clock;
  },
): SourceDialogue {
  const { terms, spec, figures, give, clock } = options;
  const link = createSourceLink({
    host: target.host,
    port: target.ports.control,
    credentials: options.credentials,
    peerUri: migrationUri(identity, 'target'),
    onMessage(message, more) {
      if (message.kind === 'prepared') {
        const notice = terms.answered(more);
        if (notice !== undefined) options.onNotice(notice);
      }
      if (message.kind === 'torn') options.onRejoin(more.rejoin);
      hear(message);
    },
    onLost: (reason) => give({ type: 'peerLost', reason }),
  });

  const hear = (message: TargetMessage) => {
    const runs = message.kind === 'running' || message.kind === 'whole';
    if (runs && figures.facts().runningAtMs === undefined) figures.note({ runningAtMs: clock.now() });
    give({ type: 'message', message });
  };

  const say = async (message: SourceMessage): Promise<SourceEvent | undefined> => {
    try {
      const offer = spec && message.kind === 'hello' ? { offer: terms.offer(spec) } : {};
      await link.send({ type: 'handover', message, ...offer });
      if (message.kind === 'commit') figures.mark('commit sent');
      return undefined;
    } catch (error) {
      return { type: 'peerLost', reason: describeError(error) };
    }
  };

  return {
    async say(message) {
      if (message.kind !== 'abort') return say(message);
      // Nobody waits for this: it changes nothing here, and is said again until it was heard.
      void say(message).then((lost) => lost && give(lost));
      return undefined;
    },
    hear,
    call: (call, timeoutMs) => link.call(call, timeoutMs),
    ask: (question, timeoutMs) => link.ask(question, timeoutMs),
    close: () => link.close(),
  };
}
