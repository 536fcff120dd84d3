import { resources } from '@godwit/api';
import type { Condition, KubeEvent, KubeObject, ResourceKind, Stored } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { KubeClient } from '@godwit/kube-client';
import { namespace } from './objects.ts';

const looked: readonly ResourceKind[] = [
  resources.virtualMachines,
  resources.virtualMachineInstances,
  resources.virtualMachineInstanceMigrations,
  resources.dataVolumes,
  resources.persistentVolumeClaims,
  resources.pods,
];

const conditionLine = (condition: Condition): string =>
  `    ${condition.type}=${condition.status}${condition.reason ? ` ${condition.reason}` : ''}${condition.message ? `: ${condition.message}` : ''}`;

function describeObject(kind: string, object: KubeObject): string[] {
  const status = isObject(object['status']) ? object['status'] : {};
  const state = typeof status['printableStatus'] === 'string' ? status['printableStatus'] : status['phase'];
  const conditions = Array.isArray(status['conditions']) ? (status['conditions'] as Condition[]) : []; // every kind here has metav1-like conditions
  const migration = isObject(status['migrationState'])
    ? [`    migrationState: ${JSON.stringify(status['migrationState'])}`]
    : [];
  return [
    `  ${kind}/${object.metadata.name ?? ''} ${typeof state === 'string' ? state : ''}`,
    ...conditions.map(conditionLine),
    ...migration,
  ];
}

/** State, conditions and events of the guest's objects in one cluster, as lines for people. Never rejects. */
export async function explain(client: KubeClient, cluster: string, guestName: string): Promise<readonly string[]> {
  const lines = [`In cluster ${cluster}:`];
  try {
    for (const resource of looked) {
      const { items } = await client.list(resource, { namespace });
      for (const item of items) if (concerns(item, guestName)) lines.push(...describeObject(resource.kind, item));
    }
    const { items } = await client.list<KubeEvent>(resources.events, { namespace });
    for (const event of items.slice(-30))
      lines.push(
        `  ${event.type} ${event.involvedObject.kind ?? ''}/${event.involvedObject.name ?? ''} ${event.reason}: ${event.message}`,
      );
  } catch (error) {
    lines.push(`  nothing more is known: ${describeError(error)}`);
  }
  return lines;
}

function concerns(object: Stored<KubeObject>, guestName: string): boolean {
  const spec = object['spec'];
  return object.metadata.name.includes(guestName) || (isObject(spec) && spec['vmiName'] === guestName);
}
