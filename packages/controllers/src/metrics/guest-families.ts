import { evacuationFailed, evictionRequested, evictionStrategyOf, isTrue, names } from '@godwit/api';
import { readQuantity } from '@godwit/core/quantity';
import { claimsOf, isFinalMigration, isFinalVmi } from '../virt/facts.ts';
import { gauge } from '@godwit/core/exposition';
import type { Family, Sample } from '@godwit/core/exposition';
import { countBy } from './seen.ts';
import type { SeenCluster } from './seen.ts';

function evacuations({ instances, migrations }: SeenCluster): Family[] {
  const perNode = (type: string): Sample[] =>
    [
      ...countBy(
        instances.filter(({ status }) => isTrue(status?.conditions, type)),
        ({ status }) => status?.nodeName,
      ),
    ].map(([node, value]) => ({ labels: { node }, value }));
  const underway = countBy(
    migrations.filter((one) => !isFinalMigration(one)),
    ({ metadata }) => metadata.annotations?.[names.evacuationMigrationAnnotation],
  );
  return [
    gauge(
      'godwit_evacuation_guests',
      'Guests that are to leave the node and are still there',
      perNode(evictionRequested),
    ),
    gauge(
      'godwit_evacuation_migrations',
      'Unfinished migrations that take guests off the node',
      [...underway].map(([node, value]) => ({ labels: { node }, value })),
    ),
    gauge(
      'godwit_evacuation_given_up',
      'Guests that are to leave the node, but whose evacuation was given up',
      perNode(evacuationFailed),
    ),
  ];
}

function nonEvictable({ instances, kubeVirt }: SeenCluster): Family {
  const running = instances.filter((vmi) => !isFinalVmi(vmi));
  return gauge(
    'kubevirt_vmi_non_evictable',
    '1 when the eviction strategy is LiveMigrate but the guest cannot be live-migrated',
    running.map((vmi) => {
      const stuck =
        evictionStrategyOf(vmi, kubeVirt) === 'LiveMigrate' && !isTrue(vmi.status?.conditions, 'LiveMigratable');
      const { name, namespace = '' } = vmi.metadata;
      return { labels: { node: vmi.status?.nodeName ?? '', namespace, name }, value: stuck ? 1 : 0 };
    }),
  );
}

/** 0 for VMs that are not being migrated. */
function migratingSince({ machines, instances }: SeenCluster): Family {
  const started = new Map(
    instances.map(({ metadata, status }) => [
      `${metadata.namespace ?? ''}/${metadata.name}`,
      Date.parse(status?.migrationState?.startTimestamp ?? '') / 1000 || 0,
    ]),
  );
  return gauge(
    'kubevirt_vm_migrating_status_last_transition_timestamp_seconds',
    'When the copy of a VM with status Migrating began; 0 for all others',
    machines.map(({ metadata: { name, namespace = '' }, status }) => ({
      labels: { name, namespace },
      value: status?.printableStatus === 'Migrating' ? (started.get(`${namespace}/${name}`) ?? 0) : 0,
    })),
  );
}

function allocated({ machines, claim }: SeenCluster): Family {
  const samples = machines.flatMap(({ metadata: { name, namespace = '' }, spec }): Sample[] =>
    [...claimsOf(spec.template.spec.volumes)].flatMap(([device, claimName]) => {
      const pvc = claim(namespace, claimName);
      const asked = readQuantity(pvc?.spec.resources?.requests?.['storage'] ?? '');
      if (!pvc || asked === undefined) return [];
      const volumeMode = pvc.spec.volumeMode ?? 'Filesystem';
      const labels = { name, namespace, persistentvolumeclaim: claimName, volume_mode: volumeMode, device };
      return [{ labels, value: Math.ceil(asked) }];
    }),
  );
  return gauge('kubevirt_vm_disk_allocated_size_bytes', 'What the claim of a disk of the VM asks for', samples);
}

/** Figures of VMs and their guests that matter to moves. */
export function guestFamilies(seen: SeenCluster): Family[] {
  return [...evacuations(seen), nonEvictable(seen), migratingSince(seen), allocated(seen)];
}
