import { names, resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { jsonEqual } from '@godwit/core/json';
import { isConflict, isNotFound } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import { effectiveConfiguration } from '../migration/configuration.ts';
import { vmiKeyOf } from '../migration/observe.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { isFinalMigration, kindOf, migrationIdOf } from '../virt/facts.ts';
import { writeDifference } from '../virt/write.ts';
import { applySourceNews, applyTargetNews } from './apply.ts';
import type { OwnRules } from './apply.ts';
import { readStatus } from './read-status.ts';
import type { PeerStatus } from './read-status.ts';
import type { SyncHandlers } from './server.ts';
import type { StatusRequest } from './wire.ts';

type Instance = Stored<VirtualMachineInstance>;
type Migration = Stored<VirtualMachineInstanceMigration>;

const ATTEMPTS = 5;

function refusal(text: string): GodwitError {
  return new GodwitError('SYNC_REFUSED', text);
}

/** The receiving end of a migration ID on this side; of several, the one that is not over. */
function counterpart(caches: VirtCaches, kind: 'source' | 'target', migrationId: string): Migration | undefined {
  const found = caches.migrations.list().filter((one) => kindOf(one) === kind && migrationIdOf(one) === migrationId);
  return found.find((one) => !isFinalMigration(one)) ?? found[0];
}

export function createHandlers(client: KubeClient, caches: VirtCaches, clock: Clock): SyncHandlers {
  function ownRules(): OwnRules {
    const kubeVirt = caches.kubeVirts.get({ namespace: names.installNamespace, name: names.kubeVirtName });
    const { disableTLS } = effectiveConfiguration(kubeVirt, undefined);
    return { plainAllowed: disableTLS === true, nowMs: clock.now() };
  }

  /** News of it may come when the guest runs here already, so it is no part of what news do to the VMI. */
  async function mirrorVerification(migration: Migration, vmi: Instance, { source, verification }: PeerStatus) {
    const known = (vmi.status?.migrationState ?? migration.status?.migrationState)?.sourceState?.migrationUID;
    if (!verification || source?.migrationUID === undefined || known !== source.migrationUID) return;
    if (jsonEqual(migration.status?.verification, verification)) return;
    const { name, namespace = '' } = migration.metadata;
    const body = { type: 'merge', patch: { status: { verification } } } as const;
    try {
      await client.patch(resources.virtualMachineInstanceMigrations, name, namespace, body, 'status');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async function receive(from: 'source' | 'target', request: StatusRequest): Promise<string> {
    if (request.statusJson === undefined) throw refusal(`must pass ${from} status`);
    const migration = counterpart(caches, from === 'source' ? 'target' : 'source', request.migrationId);
    if (!migration) throw refusal(`${from}: unable to locate VMI for migrationID ${request.migrationId}`);
    const news = readStatus(request.statusJson);
    if (typeof news === 'string') throw refusal(news);
    const key = vmiKeyOf(migration);
    let vmi = caches.instances.get(key);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (!vmi)
        throw refusal(
          `${from}: unable to locate VMI for migrationID ${request.migrationId}, vmi: ${key.namespace}/${key.name}`,
        );
      const applied =
        from === 'source' ? applySourceNews(vmi, migration, news) : applyTargetNews(vmi, migration, news, ownRules());
      if (applied.verdict === 'refuse') throw refusal(applied.message);
      if (from === 'source') await mirrorVerification(migration, vmi, news);
      if (applied.verdict === 'late') return 'success';
      try {
        await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, vmi, applied.vmi, {
          statusSubresource: false,
        });
        return 'success';
      } catch (error) {
        if (!isConflict(error)) throw error;
        vmi = await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, key.name, key.namespace);
      }
    }
    throw refusal(`VMI ${key.namespace}/${key.name} changes too often to be written`);
  }

  return {
    syncSource: (request) => receive('source', request),
    syncTarget: (request) => receive('target', request),
    async cancel(migrationUid) {
      const migration = caches.migrations.list().find((one) => one.metadata.uid === migrationUid);
      // Only moves between clusters can be cancelled from outside.
      if (
        migration &&
        kindOf(migration) !== 'local' &&
        !isFinalMigration(migration) &&
        migration.metadata.deletionTimestamp === undefined
      ) {
        const { name, namespace } = migration.metadata;
        await client.delete(resources.virtualMachineInstanceMigrations, name, namespace, {
          preconditions: { uid: migrationUid },
        });
      }
      return 'migration canceled';
    },
  };
}
