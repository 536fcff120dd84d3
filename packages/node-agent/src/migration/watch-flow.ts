import type { Clock } from '@godwit/core/clock';

const LOOK_MS = 5000;
/** A network that is whole again within half a minute has lost nothing; the guest stands still meanwhile for most of what it does. */
const SILENT_LOOKS = 6;

/** Looks whether memory comes in, while it is to. */
export interface FlowWatch {
  watch(wanted: boolean): void;
}

/**
 * Calls `broken` when nothing has arrived for so long that nothing will: a network may swallow everything and tell nobody.
 * `carried` gives the bytes so far; undefined: nobody here counts them.
 */
export function createFlowWatch(
  clock: Clock,
  { carried, broken }: { readonly carried: () => number | undefined; readonly broken: () => void },
): FlowWatch {
  let cancel: (() => void) | undefined;
  let bytes: number | undefined;
  let silent = 0;
  const look = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      const now = carried();
      // Looks are counted, not time: of what came while nobody could look, or the clock was set, nothing has been heard yet.
      silent = now === undefined || now !== bytes ? 0 : silent + 1;
      bytes = now;
      if (silent === SILENT_LOOKS) {
        silent = 0;
        broken();
      }
      look();
    });
  };
  return {
    watch(wanted) {
      if (!wanted) {
        cancel?.();
        cancel = undefined;
      } else if (cancel === undefined) {
        bytes = carried();
        silent = 0;
        look();
      }
    },
  };
}
