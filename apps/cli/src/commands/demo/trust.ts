import { apiVersionOf, names, resources } from '@godwit/api';
import type { ConfigMap } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';

/** The bundle with the certificates of both, each once. */
export function mergeBundles(old: string, added: string): string {
  const certificates = `${old}\n${added}`.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return `${[...new Set(certificates)].join('\n')}\n`;
}

/** Makes `truster` accept migrations signed by the KubeVirt CA of `trusted`. Idempotent; other clusters' CAs stay. */
export async function trust(truster: KubeClient, trusted: KubeClient): Promise<void> {
  const bundle = await waitFor(
    async () => {
      const map = await trusted.get<ConfigMap>(resources.configMaps, names.caConfigMap, names.installNamespace);
      return map?.data?.[names.caBundleKey];
    },
    { timeoutMs: 10_000, what: `ConfigMap ${names.installNamespace}/${names.caConfigMap}` },
  );
  const old = await truster.get<ConfigMap>(resources.configMaps, names.externalCaConfigMap, names.installNamespace);
  const data = { [names.caBundleKey]: mergeBundles(old?.data?.[names.caBundleKey] ?? '', bundle) };
  if (data[names.caBundleKey]?.includes('BEGIN CERTIFICATE') !== true)
    throw new GodwitError('DEMO_CA_EMPTY', `ConfigMap ${names.caConfigMap} holds no certificate`);
  if (old !== undefined) {
    const body = { type: 'merge', patch: { data } } as const;
    await truster.patch(resources.configMaps, names.externalCaConfigMap, names.installNamespace, body);
    return;
  }
  await truster.create<ConfigMap>(resources.configMaps, {
    apiVersion: apiVersionOf(resources.configMaps),
    kind: resources.configMaps.kind,
    metadata: { name: names.externalCaConfigMap, namespace: names.installNamespace },
    data,
  });
}
