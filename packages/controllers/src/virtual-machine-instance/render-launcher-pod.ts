import { names } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { claimsOf } from '../virt/facts.ts';
import { stableSuffix } from '../virt/suffix.ts';
import { launcherRequests } from './launcher-resources.ts';

/** Default of KubeVirt: how long a guest may take to shut down after the ACPI request. */
const DEFAULT_GRACE_SECONDS = 30;
/** The pod outlives the guest's own grace period, so that the guest is not cut off by the pod's. */
const EXTRA_GRACE_SECONDS = 15;
const MAX_NAME = 63;
const LAUNCHER_IMAGE = 'godwit.dev/virt-launcher';

/** Labels of a VMI that say something about the VMI itself and never belong on a pod. */
const VMI_ONLY_LABELS: readonly string[] = [names.nodeNameLabel, names.migrationTargetNodeLabel];

/** What sets a migration target apart from the pod of a first start. */
export interface TargetOptions {
  readonly migration: Stored<VirtualMachineInstanceMigration>;
  /** Node labels that the source's node has and the guest depends on, such as the kind of acceleration. */
  readonly requiredNodeLabels?: Readonly<Record<string, string>>;
  /** Inside a cluster the target never shares a host with the VMI's own pods. */
  readonly apartFromOwnPods: boolean;
}

/** Name of the pod for a VMI's own start or for one migration of it: the same input always gives the same name. */
export function launcherPodName(vmiName: string, seedUid: string): string {
  const tail = `-${stableSuffix(seedUid)}`;
  return `virt-launcher-${vmiName}`.slice(0, MAX_NAME - tail.length).replace(/[-.]+$/, '') + tail;
}

function labelsOf(vmi: Stored<VirtualMachineInstance>, target: TargetOptions | undefined): Record<string, string> {
  const own = Object.entries(vmi.metadata.labels ?? {}).filter(([key]) => !VMI_ONLY_LABELS.includes(key));
  return {
    ...Object.fromEntries(own),
    [names.appLabel]: 'virt-launcher',
    [names.createdByLabel]: vmi.metadata.uid,
    'vm.kubevirt.io/name': vmi.metadata.name.slice(0, MAX_NAME),
    ...(target ? { [names.migrationJobUidLabel]: target.migration.metadata.uid } : {}),
  };
}

/** The VMI's own affinity with a rule added that keeps the pod off hosts of the VMI's other pods. */
function affinityOf(vmi: Stored<VirtualMachineInstance>, apart: boolean): Record<string, unknown> | undefined {
  const affinity = isObject(vmi.spec.affinity) ? structuredClone(vmi.spec.affinity) : {};
  if (apart) {
    const anti = isObject(affinity['podAntiAffinity']) ? affinity['podAntiAffinity'] : {};
    const rules = anti['requiredDuringSchedulingIgnoredDuringExecution'];
    affinity['podAntiAffinity'] = {
      ...anti,
      requiredDuringSchedulingIgnoredDuringExecution: [
        ...(Array.isArray(rules) ? rules : []),
        {
          labelSelector: { matchLabels: { [names.createdByLabel]: vmi.metadata.uid } },
          topologyKey: names.hostnameLabel,
        },
      ],
    };
  }
  return Object.keys(affinity).length === 0 ? undefined : affinity;
}

/** `addedNodeSelector` may only narrow: keys of the VM's own selector win. */
function nodeSelectorOf(
  vmi: Stored<VirtualMachineInstance>,
  target: TargetOptions | undefined,
  nodeLabels: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const selector = {
    ...nodeLabels,
    ...target?.requiredNodeLabels,
    ...target?.migration.spec.addedNodeSelector,
    ...vmi.spec.nodeSelector,
  };
  return Object.keys(selector).length === 0 ? undefined : selector;
}

/** The pod that stands for one guest (or one incoming guest) on a node. `nodeLabels`: what a first start asks of its node. */
export function renderLauncherPod(
  vmi: Stored<VirtualMachineInstance>,
  target?: TargetOptions,
  nodeLabels: Readonly<Record<string, string>> = {},
): Pod {
  const affinity = affinityOf(vmi, target?.apartFromOwnPods ?? false);
  const nodeSelector = nodeSelectorOf(vmi, target, nodeLabels);
  const grace = vmi.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  const requests = launcherRequests(vmi);
  const namespace = vmi.metadata.namespace ?? '';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: launcherPodName(vmi.metadata.name, target?.migration.metadata.uid ?? vmi.metadata.uid),
      namespace,
      labels: labelsOf(vmi, target),
      annotations: {
        [names.domainAnnotation]: vmi.metadata.name,
        'kubevirt.io/migrationTransportUnix': 'true',
        ...(target ? { [names.migrationJobNameAnnotation]: target.migration.metadata.name } : {}),
      },
      ownerReferences: [
        {
          apiVersion: 'kubevirt.io/v1',
          kind: 'VirtualMachineInstance',
          name: vmi.metadata.name,
          uid: vmi.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: grace + EXTRA_GRACE_SECONDS,
      ...(nodeSelector ? { nodeSelector } : {}),
      ...(affinity ? { affinity } : {}),
      ...(vmi.spec.tolerations ? { tolerations: vmi.spec.tolerations } : {}),
      containers: [{ name: 'compute', image: LAUNCHER_IMAGE, resources: { requests: { ...requests } } }],
      volumes: [...claimsOf(vmi.spec.volumes)].map(([name, claimName]) => ({
        name,
        persistentVolumeClaim: { claimName },
      })),
    },
  };
}
