import { GodwitError } from '@godwit/core/errors';

export interface Interruption extends Disposable {
  /** Aborted by the first Ctrl-C, SIGTERM or SIGHUP. Later ones change nothing: cleaning up is not to be interrupted. */
  readonly signal: AbortSignal;
}

/** Exit status of a command that was ended by Ctrl-C, as shells have it. */
export const INTERRUPTED = 130;

export function watchInterruption(): Interruption {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const controller = new AbortController();
  const abort = (): void => controller.abort(new GodwitError('COMMAND_INTERRUPTED', 'Interrupted'));
  for (const name of names) process.on(name, abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, abort);
    },
  };
}
