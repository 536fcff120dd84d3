import { findCondition, resources } from '@godwit/api';
import type { PersistentVolumeClaim } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace, volumeName } from '../apps/cli/src/commands/demo/objects.ts';
import { askGuest } from './support/console.ts';
import { eventually } from './support/eventually.ts';
import { expectClean, instanceOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { expectSuccess } from './support/move.ts';
import { changeVolumes, moveInPlace, moveWithDisks } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { block, local, shared } from './support/storage.ts';

const SECTOR = 512;
const MIB = 2 ** 20;

/** Size of the data disk as the guest's kernel knows it. */
async function sizeInGuest(subject: GuestUnderTest): Promise<number> {
  return Number(await askGuest(subject, 'cat /sys/block/vdb/size')) * SECTOR;
}

describe('a guest with two volumes, from storage to storage', () => {
  const subject = useGuest(local);
  const claim = (): string => volumeName(subject().guest, 'data', subject().at.place);

  it('files of the node to shared devices, in place [SLM 5.1 #9]', async () => {
    const wanted = await changeVolumes(subject(), block);
    await expectSuccess(subject(), await moveInPlace(subject(), wanted));
  });

  it('shared devices to files of another node [SLM 5.1 #9]', async () => {
    const wanted = await changeVolumes(subject(), local);
    await expectSuccess(subject(), await moveWithDisks(subject(), wanted));
    const volume = (await instanceOf(subject(), subject().at))?.status?.volumeStatus?.find(
      ({ name }) => name === 'data',
    );
    expect(volume?.persistentVolumeClaimInfo?.claimName).toBe(claim());
  });

  it('sees its disk grow with the claim [SLM 5.1 #1]', async () => {
    expect(await sizeInGuest(subject())).toBe(256 * MIB);
    const { client } = subject().at.cluster;
    const patch = { spec: { resources: { requests: { storage: '272Mi' } } } };
    await client.patch(resources.persistentVolumeClaims, claim(), namespace, { type: 'merge', patch });
    await eventually('the guest to have more room', async () => (await sizeInGuest(subject())) === 272 * MIB);
  });

  it('has a slightly smaller target expanded, and moves there [SLM 6.5 #11]', async () => {
    const wanted = await changeVolumes(subject(), shared);
    const name = volumeName(subject().guest, 'data', wanted.place);
    const { client } = subject().at.cluster;
    const target = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, namespace);
    expect(target?.spec.resources?.requests?.storage).toBe('272Mi');
    await expectSuccess(subject(), await moveInPlace(subject(), wanted));
    expect(await sizeInGuest(subject())).toBe(272 * MIB);
    const vmi = await instanceOf(subject(), subject().at);
    expect(findCondition(vmi?.status?.conditions, 'VolumesChange')).toBeUndefined();
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
