import type { MigrationProgress } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import { accumulateProgress, noProgress, progressSince, type ProgressReading } from '@godwit/migration';
import { insist } from './insist.ts';

/** Where the figures of a migration go, after a restart of the agent as before. */
export interface ProgressKeeper {
  /** Resolves with the last that was told, by an earlier life too; `undefined`: nothing was. */
  told(): Promise<MigrationProgress | undefined>;
  tell(progress: MigrationProgress): void;
}

/**
 * Tells how far a migration is, from reading to reading. With `told` it goes on from there: until that is known, which is
 * tried as long as not `stopped`, nothing is told, and then the newest reading is.
 */
export function tellProgress(options: {
  readonly tell: ProgressKeeper['tell'] | undefined;
  readonly told?: ProgressKeeper['told'] | undefined;
  readonly stopped: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}): (reading: Omit<ProgressReading, 'atMs'>) => void {
  const { tell, told, stopped, clock, log } = options;
  let state = told === undefined ? noProgress : undefined;
  let newest: ProgressReading | undefined;
  const publish = (): void => {
    if (state === undefined || newest === undefined) return;
    state = accumulateProgress(state, newest);
    if (state.published !== undefined) tell?.(state.published);
  };
  if (told !== undefined)
    insist(told, {
      hindrance: 'The progress told so far cannot be read',
      stopped,
      hindered: () => undefined, // figures keep nobody waiting
      log,
    }).then(
      (before) => {
        state = progressSince(before);
        publish();
      },
      () => undefined, // stopped
    );
  return (reading) => {
    newest = { ...reading, atMs: clock.now() };
    publish();
  };
}
