import { names, resources } from '@godwit/api';
import type { ConfigMap, ObjectKey, Stored } from '@godwit/api';
import { isAlreadyExists } from '@godwit/kube-client';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../context.ts';
import { mergeBundle } from './bundle.ts';

const NAMESPACE = names.installNamespace;
const TRUST: ObjectKey = { namespace: NAMESPACE, name: names.caConfigMap };
const DROP_BOX: ObjectKey = { namespace: NAMESPACE, name: names.externalCaConfigMap };
/** Certificates expire without an event. */
const LOOK_AGAIN_MS = 600_000;

/**
 * Publishes the CAs this cluster trusts (`kubevirt-ca`) and takes in those of peers from the drop box
 * (`kubevirt-external-ca`), which is emptied only of what was read: a certificate that lands in between stays.
 */
export function createTrustReconciler(context: ControllerContext): Reconciler {
  const { client, manager, clock, log, options } = context;
  const configMaps = manager.cache<ConfigMap>(resources.configMaps, { namespace: NAMESPACE });

  async function ensure({ name }: ObjectKey, data: Record<string, string>): Promise<Stored<ConfigMap> | undefined> {
    const labels = { 'app.kubernetes.io/managed-by': 'virt-operator', 'app.kubernetes.io/part-of': 'kubevirt' };
    try {
      return await client.create<ConfigMap>(resources.configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: NAMESPACE, labels },
        data,
      });
    } catch (error) {
      // The cache has not caught up; the event will bring us back.
      if (isAlreadyExists(error)) return undefined;
      throw error;
    }
  }

  async function write(object: Stored<ConfigMap>, bundle: string): Promise<void> {
    const { name, resourceVersion } = object.metadata;
    const patch = { metadata: { resourceVersion }, data: { [names.caBundleKey]: bundle } };
    await client.patch(resources.configMaps, name, NAMESPACE, { type: 'merge', patch });
  }

  return {
    name: 'trust',
    watches: [
      {
        resource: resources.configMaps,
        toKeys: ({ metadata }) => (metadata.name === TRUST.name || metadata.name === DROP_BOX.name ? [TRUST] : []),
        from: { namespace: NAMESPACE },
      },
    ],
    async reconcile() {
      const own = options.kubevirtCa.certPem;
      const dropBox = configMaps.get(DROP_BOX) ?? (await ensure(DROP_BOX, { [names.caBundleKey]: '' }));
      const offered = dropBox?.data?.[names.caBundleKey] ?? '';
      const trust = configMaps.get(TRUST);
      const trusted = trust?.data?.[names.caBundleKey] ?? '';
      const merged = mergeBundle(own, trusted, offered, clock.now());
      if (offered !== '') log.info({ added: merged.added, dropped: merged.dropped }, 'taking in CAs from the drop box');
      if (!trust) {
        if (!(await ensure(TRUST, { [names.caBundleKey]: merged.bundle }))) return undefined;
      } else if (merged.bundle !== trusted) {
        await write(trust, merged.bundle);
      }
      // Only now: a crash in between leaves the offer for the next pass. Its resourceVersion guards what we read.
      if (dropBox && offered !== '') await write(dropBox, '');
      return { requeueAfterMs: LOOK_AGAIN_MS };
    },
  };
}
