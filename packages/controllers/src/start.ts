import { systemClock } from '@godwit/core/clock';
import { createEventRecorder, createManager } from '@godwit/reconcile';
import type { Controller, ControllerContext, ControllersOptions, ControllerService } from './context.ts';
import { controllers } from './controllers.ts';

export interface RunningControllers {
  /** Ends all loops and services; work in progress is waited for. */
  stop(): Promise<void>;
}

/**
 * Starts every controller of one cluster and resolves when the caches are in sync and all loops run. Waits as long as
 * the API server cannot be reached.
 */
export async function startControllers(
  options: ControllersOptions,
  list: readonly Controller[] = controllers,
): Promise<RunningControllers> {
  const clock = options.clock ?? systemClock;
  const { log } = options;
  const manager = createManager({
    client: options.client,
    log,
    clock,
    ...(options.leaderElection ? { leaderElection: options.leaderElection } : {}),
  });
  const events = createEventRecorder({ client: options.client, component: 'godwit-controllers', log, clock });
  const services: ControllerService[] = [];
  for (const controller of list) {
    const context: ControllerContext = {
      options,
      client: manager.client,
      manager,
      events,
      log: log.child({ controller: controller.name }),
      clock,
    };
    const service = await controller.setUp(context);
    if (service) services.push(service);
  }
  async function stop(): Promise<void> {
    for (const service of services.toReversed()) await service.stop();
    await manager.stop();
    await events.flush();
  }
  const abandon = (): void => void manager.stop();
  options.signal?.addEventListener('abort', abandon);
  await manager.start();
  for (const service of services) if (options.signal?.aborted !== true) await service.start?.();
  options.signal?.removeEventListener('abort', abandon);
  log.info({ controllers: list.map((controller) => controller.name) }, 'controllers run');
  return { stop };
}
