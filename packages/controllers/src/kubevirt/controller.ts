import { keyOf, names, resources } from '@godwit/api';
import type { KubeVirt } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import { isAlreadyExists } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import type { Controller } from '../context.ts';
import { writeDifference } from '../virt/write.ts';
import { decideKubeVirt } from './decide.ts';
import { defaultKubeVirtObjects } from './default-objects.ts';

async function createMissing(client: KubeClient): Promise<void> {
  for (const object of defaultKubeVirtObjects()) {
    const resource = object.kind === 'KubeVirt' ? resources.kubeVirts : resources.namespaces;
    try {
      await client.create(resource, object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/** Keeps the KubeVirt object there and in the state of a deployed installation. */
export const kubeVirtController: Controller = {
  name: 'kubevirt',
  setUp(context) {
    const { client, manager, clock, log } = context;
    const cache = manager.cache<KubeVirt>(resources.kubeVirts);
    let cancel = (): void => undefined;
    manager.add({
      name: 'kubevirt',
      watches: [{ resource: resources.kubeVirts, toKeys: (kubeVirt) => [keyOf(kubeVirt)] }],
      async reconcile(key) {
        const kubeVirt = cache.get(key);
        if (!kubeVirt || key.namespace !== names.installNamespace) return;
        const next = decideKubeVirt(kubeVirt, clock.now());
        await writeDifference<KubeVirt>(client, resources.kubeVirts, kubeVirt, next, { statusSubresource: true });
      },
    });
    const attempt = async (count: number): Promise<void> => {
      try {
        await createMissing(client);
      } catch (error) {
        const delayMs = backoffMs(count, 100, 5_000);
        log.warn({ error: describeError(error), delayMs }, 'the KubeVirt object could not be created');
        cancel = clock.after(delayMs, () => void attempt(count + 1));
      }
    };
    return {
      start: () => attempt(0),
      async stop() {
        cancel();
      },
    };
  },
};
