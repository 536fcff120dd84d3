import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { SourceStream } from './source-stream.ts';
import type { Rejoin } from '../wire.ts';

/** The source's part in joining a torn stream. */
export interface SourceRejoin {
  /** Where the target waits now; undefined: nowhere yet. */
  place(place: Rejoin | undefined): void;
  /** Goes there, if that is known and the rest is not on its way already. */
  join(machine: Machine | undefined): Promise<void>;
  /** Why this side has ended its QEMU while the target still needed it. */
  gaveUpFor(): string | undefined;
}

export function createSourceRejoin({
  stream,
  mark,
  hindered,
  log,
}: {
  readonly stream: SourceStream;
  readonly mark: (step: string) => void;
  readonly hindered: (why: string | undefined) => void;
  readonly log: Logger;
}): SourceRejoin {
  let at: Rejoin | undefined;
  let gaveUpFor: string | undefined;
  return {
    place(place) {
      at = place;
    },
    async join(machine) {
      if (machine === undefined || at === undefined) return;
      const joining = await stream.joinAgain(machine, at);
      if (joining.state === 'joined') {
        if (joining.anew) mark('joined again');
        return hindered(undefined);
      }
      const { state, why } = joining;
      hindered(`The connection on which the guest fetches its memory broke, and is not made again yet: ${why}`);
      log.warn({ why, state }, 'not joined again');
      if (state === 'waiting') return;
      // Its guest cannot be helped: the target hears why, and ends its half.
      gaveUpFor = why;
      await machine.kill();
    },
    gaveUpFor: () => gaveUpFor,
  };
}
