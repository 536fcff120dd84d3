import { resources } from '@godwit/api';
import type { KubeEvent, KubeObject } from '@godwit/api';
import { hostHasPostCopy, NEEDS_POST_COPY } from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import { eventually } from './support/eventually.ts';
import { expectClean, expectNextBoot, instanceOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { ended, expectSoundEnd, expectSuccess, sourcePodOf, targetPodOf } from './support/move.ts';
import type { Move } from './support/move.ts';
import { aimAtProcess, aimAtQemu } from './support/processes.ts';
import { moveToOtherNode } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { shared } from './support/storage.ts';

/** Faster than `POLICY` lets it go, so that it never converges. */
const busy = { memoryMib: 16, dirtyMibPerSecond: 12 };

/** Late at once; what is left takes some seconds. */
const POLICY = { allowPostCopy: true, bandwidthPerMigration: '4Mi', completionTimeoutPerGiB: 1 };

async function allowPostCopy({ at, guest }: GuestUnderTest): Promise<void> {
  const { client } = at.cluster;
  const labels = { 'test/post-copy': 'allowed' };
  const patch = { metadata: { labels } };
  await client.patch(resources.virtualMachineInstances, guest.name, namespace, { type: 'merge', patch });
  await client.create(resources.migrationPolicies, {
    apiVersion: 'migrations.kubevirt.io/v1alpha1',
    kind: 'MigrationPolicy',
    metadata: { name: 'post-copy' },
    spec: { ...POLICY, selectors: { virtualMachineInstanceSelector: labels } },
  } as KubeObject);
}

/** Resolves while the guest runs on its target and part of its memory is still on its source. */
async function moveUntilServing(subject: GuestUnderTest): Promise<Move> {
  const { oracle, runners } = subject;
  const switchover = runners.nextStop();
  const move = await moveToOtherNode(subject);
  await eventually('post-copy', async () => (await stateOf(subject))?.mode === 'PostCopy');
  await switchover;
  await oracle.waitForWrites(5, 30_000);
  expect((await stateOf(subject))?.completed).toBeUndefined();
  return move;
}

async function stateOf(subject: GuestUnderTest) {
  return (await instanceOf(subject, subject.at))?.status?.migrationState;
}

describe('a guest that writes its memory faster than its policy lets it travel', () => {
  const subject = useGuest(shared, busy);

  it.skipIf(hostHasPostCopy())('is told before it moves that there is no post-copy here', async () => {
    const guest = subject();
    await allowPostCopy(guest);
    const move = await moveToOtherNode(guest);
    await eventually('the warning', async () => {
      const { items } = await guest.at.cluster.client.list<KubeEvent>(resources.events, { namespace });
      return items.some(({ reason, message }) => reason === 'PostCopyImpossible' && message?.includes('userfaultfd'));
    });
    await expectSoundEnd(guest, move);
    expect((await stateOf(guest))?.mode).not.toBe('PostCopy');
  });

  describe.skipIf(!hostHasPostCopy())(`by post-copy (${NEEDS_POST_COPY})`, () => {
    it('arrives; to pause it meanwhile is refused, with when that is possible', async () => {
      const guest = subject();
      await allowPostCopy(guest);
      const move = await moveUntilServing(guest);
      const instance = `/apis/subresources.kubevirt.io/v1/namespaces/${namespace}/virtualmachineinstances/${guest.guest.name}`;
      await expect(guest.at.cluster.client.request('PUT', `${instance}/pause`, {})).rejects.toThrow(
        /is being migrated; pause is possible when that has ended/,
      );
      await expectSuccess(guest, move);
      expect(await stateOf(guest)).toMatchObject({ completed: true, mode: 'PostCopy' });
    });

    it('arrives though the agent of its target is killed meanwhile, and though its migration is deleted too late', async () => {
      const guest = subject();
      const move = await moveUntilServing(guest);
      const { cluster, node } = await targetPodOf(move);
      const strike = await aimAtProcess(guest.pair.layout, `${cluster}/node-${node}`);
      await move.source.client.delete(resources.virtualMachineInstanceMigrations, move.name, namespace);
      const killed = strike();
      expect(await expectSoundEnd(guest, move)).toBe('succeeded');
      expect(await stateOf(guest)).toMatchObject({ completed: true, mode: 'PostCopy', abortStatus: 'Failed' });
      await killed.revived();
    });

    it('dies with its source meanwhile, and starts anew with every write it was told of [SLM 5.3 #49]', async () => {
      const guest = subject();
      const move = await moveUntilServing(guest);
      const { cluster, node, uid } = await sourcePodOf(guest, move);
      const strike = await aimAtQemu(guest.pair.layout, cluster, node, uid);
      const { acknowledged } = guest.oracle.log.summary();
      strike();
      const end = await ended(move.source, move.name);
      expect(end.phase).toBe('Failed');
      expect(end.reason).toContain('died in post-copy');
      await expectNextBoot(guest, acknowledged);
    });
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
