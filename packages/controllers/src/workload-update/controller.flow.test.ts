import { resources } from '@godwit/api';
import type { KubeEvent } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { KubeApiError } from '@godwit/kube-client';
import { expect, it } from 'vitest';
import { startTestCluster } from '../virt/testing/cluster.ts';
import { storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { workloadUpdateController } from './controller.ts';

const { events, virtualMachineInstanceMigrations } = resources;

it('tells that it could not abort a migration that nobody wants any more, and tries again', async () => {
  let refuse = true;
  await using cluster = await startTestCluster([workloadUpdateController], {
    intercept({ verb, resource }) {
      if (!refuse || verb !== 'delete' || resource.plural !== virtualMachineInstanceMigrations.plural) return;
      throw new KubeApiError('not now', { status: 403, reason: 'Forbidden', method: 'DELETE', path: '' }, 'backoff');
    },
  });
  const annotations = { 'kubevirt.io/workloadUpdateMigration': '' };
  cluster.seed(
    storedMigration('m1', { phase: 'Pending', annotations }),
    storedVmi({ phase: 'Running', nodeName: 'n1' }),
  );
  const told = await waitFor(
    async () =>
      (await cluster.client.list<KubeEvent>(events)).items.find((one) => one.reason === 'FailedChangeAbortion'),
    { timeoutMs: 15_000, intervalMs: 5, what: 'the event' },
  );
  expect(told).toMatchObject({ type: 'Warning', involvedObject: { kind: 'VirtualMachineInstance' } });
  expect(told.message).toContain('not now');
  refuse = false;
  await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
});
