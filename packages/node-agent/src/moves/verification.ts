import { resources } from '@godwit/api';
import type { MigrationVerification, Stored, VirtualMachineInstance } from '@godwit/api';
import { isNotFound } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import type { EventRecorder } from '@godwit/reconcile';
import type { MoveRecord } from './record.ts';

/** Says in the migration, and as an event of its guest, what a comparison of the disks has found. */
export async function tellVerification(
  { client, events }: { readonly client: KubeClient; readonly events: EventRecorder },
  vmi: Stored<VirtualMachineInstance>,
  record: Pick<MoveRecord, 'migrationName' | 'pod'>,
  verification: MigrationVerification,
): Promise<void> {
  const { migrationName, pod } = record;
  const body = { type: 'merge', patch: { status: { verification } } } as const;
  try {
    await client.patch(resources.virtualMachineInstanceMigrations, migrationName, pod.namespace, body, 'status');
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const { result, message, milliseconds, volumes } = verification;
  if (result === 'Different')
    return events.record(vmi, 'Warning', 'MigrationVerificationFailed', message ?? 'Source and target are different');
  const each = volumes.map((volume) => `${volume.name} ${volume.result}`).join(', ');
  events.record(vmi, 'Normal', 'MigrationVerified', `Disks compared in ${milliseconds} ms: ${each || result}`);
}
