import { enter, fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';
import { lostGuest } from './eligible.ts';
import { readiness, targetPodStep } from './readiness.ts';

const POLL_MS = 5_000;

/** The first phase: is there something to move, and does nobody else move it? */
export function decideUnset(seen: SeenMigration): Step {
  const { migration, vmi, rivals } = seen;
  const { creationTimestamp, uid } = migration.metadata;
  const rival = rivals.find(
    ({ status, metadata }) =>
      (status?.phase ?? '') !== '' ||
      metadata.creationTimestamp < creationTimestamp ||
      (metadata.creationTimestamp === creationTimestamp && metadata.uid < uid),
  );
  if (rival) return fail('MigrationInProgress', `Migration ${rival.metadata.name} is moving this VMI already`);
  if (!vmi) return fail('VMINotFound', `VMI ${migration.spec.vmiName ?? ''} does not exist`);
  return enter('Pending');
}

/** Queue, then the choice between copying in place and a second QEMU elsewhere. */
export function decidePending(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  if (seen.targetPod) return enter('Scheduling');
  const ready = readiness(seen, vmi, nowMs);
  if (ready.held) return ready.held;
  const admission = seen.admission();
  if (!admission.admitted) return wait(admission.reason, admission.message, { requeueAfterMs: POLL_MS });
  if (ready.method === 'OtherNode') return targetPodStep(seen, ready.createPod, nowMs);
  return enter('Scheduling', {
    method: 'InPlace',
    ...(ready.provision.length > 0 ? { provision: { claims: ready.provision, node: vmi.status?.nodeName ?? '' } } : {}),
  });
}
