import { names } from '@godwit/api';
import type { KubeObject, KubeVirt, Namespace } from '@godwit/api';

/** What a local cluster starts with: volume changes and drains migrate by themselves, and VMs may come from other clusters. */
export function defaultKubeVirtObjects(): KubeObject[] {
  const namespace: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: names.installNamespace } };
  const kubeVirt: KubeVirt = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    metadata: { name: names.kubeVirtName, namespace: names.installNamespace },
    spec: {
      workloadUpdateStrategy: { workloadUpdateMethods: ['LiveMigrate'] },
      configuration: {
        vmRolloutStrategy: 'LiveUpdate',
        evictionStrategy: 'LiveMigrateIfPossible',
        developerConfiguration: { featureGates: ['DecentralizedLiveMigration'] },
      },
    },
  };
  return [namespace, kubeVirt];
}
