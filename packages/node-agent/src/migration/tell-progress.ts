import type { MigrationProgress } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { accumulateProgress, noProgress, progressSince, type ProgressReading } from '@godwit/migration';

/** Where the figures of a migration go, after a restart of the agent as before. */
export interface ProgressKeeper {
  /**
   * Resolves with the last that was told, by an earlier life too; `undefined`: nothing was, or `stopped`. Tries until then;
   * never rejects.
   */
  readonly told: (stopped: () => boolean) => Promise<MigrationProgress | undefined>;
  readonly tell: (progress: MigrationProgress) => void;
}

/**
 * Tells how far a migration is, from reading to reading. With `told` it goes on from there: until that is known nothing is
 * told, then the newest reading is; nothing is of a migration whose last figures were told before, nor once `stopped`.
 */
export function tellProgress(options: {
  readonly tell: ProgressKeeper['tell'] | undefined;
  readonly told?: ProgressKeeper['told'] | undefined;
  readonly stopped: () => boolean;
  readonly clock: Clock;
}): (reading: Omit<ProgressReading, 'atMs'>) => void {
  const { tell, told, stopped, clock } = options;
  let state = told === undefined ? noProgress : undefined;
  let newest: ProgressReading | undefined;
  const publish = (): void => {
    if (state === undefined || newest === undefined) return;
    state = accumulateProgress(state, newest);
    if (state.published !== undefined) tell?.(state.published);
  };
  void told?.(stopped).then((before) => {
    if (stopped() || before?.stage === 'Done' || before?.stage === 'Failed') return;
    state = progressSince(before);
    publish();
  });
  return (reading) => {
    newest = { ...reading, atMs: clock.now() };
    publish();
  };
}
