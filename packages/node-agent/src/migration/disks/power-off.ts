import type { Machine } from '@godwit/hypervisor';
import { failure } from '../copy-context.ts';

/** A guest that switches itself off while it is copied has nothing to move for: who copies on keeps its VM from being off. */
export interface PowerOffWatch {
  /** Throws once the guest is off. */
  readonly check: () => void;
  readonly end: () => void;
}

export function watchPowerOff(machine: Pick<Machine, 'onEvent'>): PowerOffWatch {
  let isOff = false;
  const end = machine.onEvent((event) => {
    // Of the guest's own accord, or because its power button was pressed.
    if (event.type === 'shutdown' && event.guestInitiated) isOff = true;
  });
  return {
    check() {
      if (isOff) throw failure('The guest switched itself off while it was copied');
    },
    end,
  };
}
