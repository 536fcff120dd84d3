import type { CommandArguments, CommandName, CommandReturn, QmpClient, QmpEvent, YankInstance } from '@godwit/qmp';
import { hypervisorError, isRefusal, translateQmpError } from './errors.ts';

/** The monitor of one machine: QMP whose errors name the machine, and a way to wait for a state of the world. */
export interface Monitor {
  readonly machine: string;
  readonly closed: Promise<void>;
  execute<Name extends CommandName>(
    command: Name,
    ...rest: undefined extends CommandArguments<Name> ? [args?: CommandArguments<Name>] : [args: CommandArguments<Name>]
  ): Promise<CommandReturn<Name>>;
  /**
   * Cuts the connection behind a block node or the migration, even while QEMU hangs on it; that it has none is fine.
   */
  yank(instance: YankInstance): Promise<void>;
  onEvent(listener: (event: QmpEvent) => void): () => void;
  /**
   * Looks with `probe` now, after every event and now and then besides, until it gives something.
   * Rejects with `HYPERVISOR_TIMEOUT`, and with whatever `probe` throws.
   */
  until<T>(probe: () => Promise<T | undefined>, options: { what: string; timeoutMs: number }): Promise<T>;
  disconnect(): void;
}

/** A look without an event: events can be lost only together with the connection, so this is a safety net. */
const LOOK_MS = 250;

export function createMonitor(qmp: QmpClient, machine: string): Monitor {
  const monitor: Monitor = {
    machine,
    closed: qmp.closed,
    async execute(...call) {
      try {
        return await qmp.execute(...call);
      } catch (error) {
        throw translateQmpError(error, machine);
      }
    },
    async yank(instance) {
      try {
        await qmp.executeOutOfBand('yank', { instances: [instance] });
      } catch (error) {
        const translated = translateQmpError(error, machine);
        if (!isRefusal(translated, /not found/i)) throw translated;
      }
    },
    onEvent: (listener) => qmp.onEvent(listener),
    async until(probe, { what, timeoutMs }) {
      const deadline = performance.now() + timeoutMs;
      let wake = Promise.withResolvers<void>();
      const off = qmp.onEvent(() => wake.resolve());
      try {
        for (;;) {
          wake = Promise.withResolvers();
          const value = await probe();
          if (value !== undefined) return value;
          if (performance.now() >= deadline) {
            throw hypervisorError('HYPERVISOR_TIMEOUT', `${what} of ${machine} took longer than ${timeoutMs} ms`, {
              retry: 'backoff',
            });
          }
          const timer = setTimeout(wake.resolve, LOOK_MS);
          await Promise.race([wake.promise, qmp.closed]);
          clearTimeout(timer);
        }
      } finally {
        off();
      }
    },
    disconnect: () => qmp.close(),
  };
  return monitor;
}
