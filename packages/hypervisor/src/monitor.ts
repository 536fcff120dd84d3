import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type {
  CommandArguments,
  CommandName,
  CommandReturn,
  OutOfBandCommand,
  QmpClient,
  QmpEvent,
  YankInstance,
} from '@godwit/qmp';
import { hypervisorError, isRefusal, translateQmpError } from './errors.ts';

/** The monitor of one machine: QMP whose errors name the machine, and a way to wait for a state of the world. */
export interface Monitor {
  readonly machine: string;
  readonly closed: Promise<void>;
  execute<Name extends CommandName>(
    command: Name,
    ...rest: undefined extends CommandArguments<Name> ? [args?: CommandArguments<Name>] : [args: CommandArguments<Name>]
  ): Promise<CommandReturn<Name>>;
  /** Carried out even while QEMU's main loop hangs. */
  executeOutOfBand<Name extends OutOfBandCommand>(
    command: Name,
    ...rest: undefined extends CommandArguments<Name> ? [args?: CommandArguments<Name>] : [args: CommandArguments<Name>]
  ): Promise<CommandReturn<Name>>;
  /**
   * Cuts the connections behind block nodes and the migration, all or those that `which` picks: now, even while QEMU
   * hangs on one of them. What QEMU does with them then fails; that there are none is fine.
   */
  cutLinks(which?: (link: Link) => boolean): Promise<void>;
  /** Does `work`, and cuts those links when it takes longer than `patienceMs`. Ends as `work` does. */
  orCut<T>(patienceMs: number, work: () => Promise<T>, which?: (link: Link) => boolean): Promise<T>;
  /**
   * From now on, whether a command that takes longer than `STUCK_MS` cuts every link, and is not waited for much longer.
   * QEMU waits for its peers in its main loop, for ever and with the guest standing still: when it pauses the guest, when
   * the guest resets a disk. A cut does not reach a write that waits for room in a full socket: that ends only when the
   * peer closes it, so whoever asked must hear of it and give up.
   */
  cutWhenStuck(enabled: boolean): void;
  onEvent(listener: (event: QmpEvent) => void): () => void;
  /**
   * Looks with `probe` now, after every event and now and then besides, until it gives something.
   * When that takes longer than `timeoutMs`, ends as `late` does; without it, or when it gives nothing, rejects with
   * `HYPERVISOR_TIMEOUT`. Rejects with whatever `probe` throws.
   */
  until<T>(
    probe: () => Promise<T | undefined>,
    options: { what: string; timeoutMs: number; late?: () => Promise<T | undefined> },
  ): Promise<T>;
  disconnect(): void;
}

/** A connection to another process; never one of a character device, as this monitor's own. */
export type Link = Exclude<YankInstance, { readonly type: 'chardev' }>;

/** Far more than QEMU needs for anything that does not wait for a peer, and all that a guest should have to bear. */
export const STUCK_MS = 5_000;
/** After the cut; what it helps, it helps at once. */
const HOPELESS_MS = 2_000;
/** A look without an event: events can be lost only together with the connection, so this is a safety net. */
const LOOK_MS = 250;

export function createMonitor(qmp: QmpClient, machine: string, log: Logger): Monitor {
  let cutsWhenStuck = false;
  const translated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateQmpError(error, machine);
    }
  };
  const within = async <T>(timeoutMs: number, work: () => Promise<T>): Promise<T> => {
    const late = Promise.withResolvers<never>();
    const cancel = afterListening(timeoutMs, () => {
      const message = `QEMU of ${machine} does not answer for ${timeoutMs} ms`;
      late.reject(hypervisorError('HYPERVISOR_TIMEOUT', message, { retry: 'backoff' }));
    });
    try {
      return await Promise.race([work(), late.promise]);
    } finally {
      cancel();
    }
  };
  const isLink = (instance: YankInstance): instance is Link => instance.type !== 'chardev';

  const monitor: Monitor = {
    machine,
    closed: qmp.closed,
    execute(...call) {
      const work = () => translated(() => qmp.execute(...call));
      return cutsWhenStuck ? within(STUCK_MS + HOPELESS_MS, () => monitor.orCut(STUCK_MS, work)) : work();
    },
    executeOutOfBand: (...call) => translated(() => qmp.executeOutOfBand(...call)),
    async cutLinks(which = () => true) {
      const instances = await translated(() => qmp.executeOutOfBand('query-yank'));
      for (const link of instances.filter(isLink).filter(which)) {
        try {
          await translated(() => qmp.executeOutOfBand('yank', { instances: [link] }));
        } catch (error) {
          // It is gone by now.
          if (!isRefusal(error, /not found/i)) throw error;
        }
      }
    },
    async orCut(patienceMs, work, which) {
      const cancel = afterListening(patienceMs, () => {
        log.warn({ machine, afterMs: patienceMs }, 'QEMU hangs, cutting its connections');
        // Whatever `work` comes to says enough.
        monitor
          .cutLinks(which)
          .catch((error: unknown) => log.warn({ machine, error: describeError(error) }, 'not cut'));
      });
      try {
        return await work();
      } finally {
        cancel();
      }
    },
    cutWhenStuck(enabled) {
      cutsWhenStuck = enabled;
    },
    onEvent: (listener) => qmp.onEvent(listener),
    async until(probe, { what, timeoutMs, late }) {
      const deadline = performance.now() + timeoutMs;
      let wake = Promise.withResolvers<void>();
      const off = qmp.onEvent(() => wake.resolve());
      try {
        for (;;) {
          wake = Promise.withResolvers();
          const value = await probe();
          if (value !== undefined) return value;
          if (performance.now() >= deadline) {
            const instead = await late?.();
            if (instead !== undefined) return instead;
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

/**
 * A timer that lets what has already arrived be heard first: a process that was kept from running for seconds would
 * otherwise find its timers due before it has read an answer that came in time. Returns how to take it back.
 */
function afterListening(delayMs: number, act: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(act);
  }, delayMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
