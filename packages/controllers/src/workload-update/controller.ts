import { keyOf, names, resources } from '@godwit/api';
import type { KubeObject, ObjectKey, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { isKubeApiError, isNotFound } from '@godwit/kube-client';
import type { Controller, ControllerContext } from '../context.ts';
import { targetClaims } from '../migration/in-place.ts';
import { claimFacts, kubeVirtOf, migrationsOf, virtCaches } from '../virt/caches.ts';
import { reachFrom } from '../virt/reachable.ts';
import { writeDifference } from '../virt/write.ts';
import { decideUpdate } from './decide.ts';
import type { SeenUpdate, UpdatePlan } from './decide.ts';

type Aborted = UpdatePlan['abort'][number]['metadata'];

/** How long a refusal of the API server (a guest that cannot be migrated, say) is left to stand. */
const REFUSED_MS = 30_000;

async function create(
  context: ControllerContext,
  seen: SeenUpdate,
  migration: VirtualMachineInstanceMigration,
): Promise<boolean> {
  try {
    const made = await context.client.create(resources.virtualMachineInstanceMigrations, migration);
    context.events.record(
      seen.vmi,
      'Normal',
      'SuccessfulCreate',
      `Created Migration ${made.metadata.name} for automated workload update`,
    );
    return true;
  } catch (error) {
    if (!isKubeApiError(error)) throw error;
    context.events.record(
      seen.vmi,
      'Warning',
      'FailedCreate',
      `Error creating a Migration for automated workload update: ${describeError(error)}`,
    );
    return false;
  }
}

async function abort({ client, events }: ControllerContext, seen: SeenUpdate, which: Aborted): Promise<void> {
  const { name, namespace, uid } = which;
  try {
    await client.delete(resources.virtualMachineInstanceMigrations, name, namespace, { preconditions: { uid } });
  } catch (error) {
    if (isNotFound(error)) return;
    const why = `Failed to abort migration ${name}: ${describeError(error)}`;
    events.record(seen.vmi, 'Warning', 'FailedChangeAbortion', why);
    throw error;
  }
}

async function carryOut(context: ControllerContext, seen: SeenUpdate, plan: UpdatePlan): Promise<number | undefined> {
  const { client, events } = context;
  await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, seen.vmi, plan.next, {
    statusSubresource: false,
  });
  for (const { metadata } of plan.abort) await abort(context, seen, metadata);
  for (const event of plan.events) events.record(seen.vmi, event.type, event.reason, event.message);
  if (plan.create && !(await create(context, seen, plan.create))) return REFUSED_MS;
  return plan.requeueAfterMs;
}

function vmiOf(object: KubeObject): ObjectKey[] {
  const { vmiName } = (object as VirtualMachineInstanceMigration).spec;
  return vmiName === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name: vmiName }];
}

export const workloadUpdateController: Controller = {
  name: 'workload-update',
  setUp(context) {
    const caches = virtCaches(context.manager);
    context.manager.add({
      name: 'workload-update',
      watches: [
        { resource: resources.virtualMachineInstances, toKeys: (vmi) => [keyOf(vmi)] },
        { resource: resources.virtualMachineInstanceMigrations, toKeys: vmiOf },
        { resource: resources.kubeVirts, toKeys: () => caches.instances.list().map(keyOf) },
      ],
      async reconcile(key) {
        const vmi = caches.instances.get(key);
        if (!vmi) return undefined;
        const methods = kubeVirtOf(caches)?.spec?.workloadUpdateStrategy?.workloadUpdateMethods ?? [];
        const node = vmi.status?.nodeName ?? '';
        const targets = targetClaims(vmi).map((claim) => reachFrom(claimFacts(caches, key.namespace, claim), node));
        const inPlace = targets.length > 0 && targets.every((reach) => reach === 'ready' || reach === 'provision');
        const verify = caches.machines.get(key)?.metadata.annotations?.[names.verifyAnnotation] === 'true';
        const seen: SeenUpdate = { vmi, migrations: migrationsOf(caches, key), methods, inPlace, verify };
        const requeueAfterMs = await carryOut(context, seen, decideUpdate(seen, context.clock.now()));
        return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
      },
    });
  },
};
