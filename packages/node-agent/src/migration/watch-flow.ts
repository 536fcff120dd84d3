import type { Clock } from '@godwit/core/clock';

const LOOK_MS = 5000;
/** A network that is whole again within this time has lost nothing; the guest stands still meanwhile for most of what it does. */
const SILENT_MS = 30_000;

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
  let sinceMs = 0;
  const look = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      const now = carried();
      if (now === undefined || now !== bytes) {
        bytes = now;
        sinceMs = clock.now();
      } else if (clock.now() - sinceMs >= SILENT_MS) {
        sinceMs = clock.now();
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
        sinceMs = clock.now();
        look();
      }
    },
  };
}
