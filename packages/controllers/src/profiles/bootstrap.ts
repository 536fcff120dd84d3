import { apiVersionOf, names, resources } from '@godwit/api';
import type { KubeObject, ResourceKind } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { GodwitError, isGodwitError } from '@godwit/core/errors';
import type { KubeClient } from '@godwit/kube-client';
import { isAlreadyExists } from '@godwit/kube-client';
import type { Controller } from '../context.ts';
import { defaultStorageObjects } from './default-objects.ts';

function resourceOf(object: KubeObject): ResourceKind {
  const found = Object.values(resources).find(
    (one) => one.kind === object.kind && apiVersionOf(one) === object.apiVersion,
  );
  if (!found) throw new GodwitError('KIND_UNKNOWN', `No resource of kind ${object.kind} is known`);
  return found;
}

async function createMissing(client: KubeClient, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects) {
    try {
      await client.create(resourceOf(object), object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** Created when missing, at every start: other parts cannot work without them. */
function neededObjects(): KubeObject[] {
  const { installNamespace, externalCaConfigMap, caBundleKey } = names;
  const labels = { 'app.kubernetes.io/managed-by': 'virt-operator' };
  return [
    namespace(installNamespace),
    namespace('kube-node-lease'),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: externalCaConfigMap, namespace: installNamespace, labels },
      data: { [caBundleKey]: '' },
    },
  ];
}

/**
 * Creates what a new cluster starts with. Storage objects are created once only: the CDI object comes last and says
 * that it was done, so that a class the user deleted stays deleted.
 */
export async function bootstrapCluster(client: KubeClient): Promise<void> {
  await createMissing(client, neededObjects());
  const done = await client.get(resources.cdis, 'cdi');
  if (!done) await createMissing(client, defaultStorageObjects());
}

export const bootstrap: Controller = {
  name: 'bootstrap',
  setUp({ client, log }) {
    let stopped = false;
    return {
      async start() {
        for (let attempt = 0; !stopped; attempt += 1) {
          try {
            await bootstrapCluster(client);
            return;
          } catch (error) {
            if (!isGodwitError(error) || error.retry === 'never') throw error;
            const delayMs = backoffMs(attempt, 100, 5_000);
            log.warn(
              { code: error.code, error: error.message, delayMs },
              "a new cluster's objects could not be created",
            );
            await new Promise((resolve) => setTimeout(resolve, delayMs));
          }
        }
      },
      async stop() {
        stopped = true;
      },
    };
  },
};
