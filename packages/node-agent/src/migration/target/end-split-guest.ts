import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { TargetEvent } from '@godwit/migration';

const ENDED = {
  ask: 'The guest was shut down because its VMI was deleted, while memory of it was still on its source',
  force:
    'The guest was ended because its VMI was deleted, while memory of it was still on its source: it did not shut down within its grace period',
} as const;

/** Ends a guest that runs before all of its memory is here: nobody but its migration may touch it then. */
export interface SplitGuestEnding {
  end(how: 'ask' | 'force'): void;
  /** The guest has switched itself off, asked or not. */
  shutDown(): void;
}

export function createSplitGuestEnding(options: {
  readonly machine: () => Machine | undefined;
  readonly give: (event: TargetEvent) => void;
  readonly log: Logger;
}): SplitGuestEnding {
  const { machine, give, log } = options;
  let asked = false;
  return {
    end(how) {
      if (how === 'force') return give({ type: 'endGuest', reason: ENDED.force });
      if (asked) return;
      asked = true;
      machine()
        ?.powerDown()
        .catch((error: unknown) => {
          asked = false;
          log.warn({ error: describeError(error) }, 'the guest was not asked to shut down');
        });
    },
    shutDown() {
      if (asked) give({ type: 'endGuest', reason: ENDED.ask });
    },
  };
}
