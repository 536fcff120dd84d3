import { systemClock, type Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { driveInPlace, type InPlaceContext } from './drive-in-place.ts';
import { openJournal, type Journal } from '../journal.ts';
import type { ProgressKeeper } from '../tell-progress.ts';
import type { InPlaceMove, InPlaceOptions, SideStatus } from '../types.ts';

/** Moves disks of a running guest inside its own QEMU. See `InPlaceMove` for what holds meanwhile and afterwards. */
export function startInPlace(options: InPlaceOptions): InPlaceMove {
  const { identity, machine, configuration, disks, journalDir } = options;
  return driveInPlace({
    context: { identity, directory: machine.directory, configuration, disks, verify: options.verify === true },
    journal: openJournal(journalDir, identity.id, 'in-place'),
    machine,
    resumed: false,
    log: options.log,
    clock: options.clock ?? systemClock,
    onStatus: options.onStatus,
    onProgress: options.onProgress,
    onVerified: options.onVerified,
  });
}

/** Continues after a restart of the agent from the journal. `machine` is undefined when its QEMU is gone. */
export function recoverInPlace(options: {
  readonly context: InPlaceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
  readonly progress: ProgressKeeper | undefined;
}): InPlaceMove {
  const { progress, ...rest } = options;
  return driveInPlace({
    ...rest,
    resumed: true,
    onProgress: progress?.tell,
    told: progress?.told,
    onVerified: undefined,
  });
}
