import { keyOf, resources } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import type { Controller, ControllerService } from '../context.ts';
import { kubeVirtOf, virtCaches } from '../virt/caches.ts';
import { render } from '@godwit/core/exposition';
import { guestFamilies } from './guest-families.ts';
import { migrationFamilies } from './migration-families.ts';
import type { SeenCluster } from './seen.ts';
import { startMetricsServer } from './server.ts';
import type { MetricsServer } from './server.ts';
import { createTransitions } from './transitions.ts';

const LISTEN_RETRY_MS = 5_000;

/** Tells Prometheus about migrations. Decides nothing and writes nothing. `onListening` is told the port. */
export function createMetricsController(onListening: (port: number) => void = () => undefined): Controller {
  return {
    name: 'metrics',
    setUp({ manager, clock, log, options: { metricsListen } }): ControllerService | void {
      if (!metricsListen) return;
      const caches = virtCaches(manager);
      const transitions = createTransitions(clock.now());
      manager.add({
        name: 'metrics',
        watches: [{ resource: resources.virtualMachineInstanceMigrations, toKeys: (one) => [keyOf(one)] }],
        async reconcile(key) {
          transitions.observe(key, caches.migrations.get(key));
        },
      });
      const page = () => {
        const seen: SeenCluster = {
          migrations: caches.migrations.list(),
          instances: caches.instances.list(),
          machines: caches.machines.list(),
          kubeVirt: kubeVirtOf(caches),
          claim: (namespace, name) => caches.claims.get({ namespace, name }),
        };
        return render([...migrationFamilies(seen), transitions.family(), ...guestFamilies(seen)]);
      };

      let server: MetricsServer | undefined;
      let stopped = false;
      let starting: Promise<void> | undefined;
      let cancelRetry = (): void => undefined;
      /** A port that somebody else has for the moment must not keep the controllers from their work. */
      async function listen(): Promise<void> {
        if (!metricsListen) return;
        try {
          server = await startMetricsServer(metricsListen, page, log);
          log.info({ port: server.port }, 'metrics served');
          onListening(server.port);
        } catch (error) {
          log.warn({ port: metricsListen.port, err: describeError(error) }, 'metrics cannot be served yet');
          if (!stopped) cancelRetry = clock.after(LISTEN_RETRY_MS, () => void (starting = listen()));
        }
      }
      return {
        start: () => (starting = listen()),
        async stop() {
          stopped = true;
          cancelRetry();
          await starting;
          await server?.close();
        },
      };
    },
  };
}
