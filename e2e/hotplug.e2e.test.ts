import { randomBytes, randomUUID } from 'node:crypto';
import { isTrue, resources } from '@godwit/api';
import type { VirtualMachine, Volume } from '@godwit/api';
import { oracleUserData, OracleObserver } from '@godwit/guest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  blankDataVolumes,
  dataDiskSerial,
  migration,
  namespace,
  virtualMachine,
  volumeName,
} from '../apps/cli/src/commands/demo/objects.ts';
import type { Guest } from '../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../apps/cli/src/commands/demo/session.ts';
import { watchRunners } from '../apps/cli/src/commands/demo/watch-runners.ts';
import { eventually } from './support/eventually.ts';
import { expectAlive, expectClean, instanceOf, nodeOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { expectSuccess } from './support/move.ts';
import type { Move } from './support/move.ts';
import { startPair } from './support/pair.ts';
import { moveWithDisks } from './support/request.ts';
import { local } from './support/storage.ts';
import { run, said } from './support/tools.ts';

type Subject = Omit<GuestUnderTest, typeof Symbol.asyncDispose>;

/** A VM that has no data disk yet; the claim for it waits for its first consumer. */
function withoutData(vm: VirtualMachine): VirtualMachine {
  const { domain, volumes = [] } = vm.spec.template.spec;
  const disks = (domain.devices.disks ?? []).filter(({ name }) => name !== 'data');
  const spec = {
    ...vm.spec.template.spec,
    domain: { ...domain, devices: { ...domain.devices, disks } },
    volumes: volumes.filter(({ name }) => name !== 'data'),
  };
  const dataVolumeTemplates = (vm.spec.dataVolumeTemplates ?? []).slice(0, 1);
  return { ...vm, spec: { ...vm.spec, dataVolumeTemplates, template: { ...vm.spec.template, spec } } };
}

/** Names other claims for the volumes of the running VM, some or all. */
async function rename({ guest, at }: Subject, places: { readonly root: number; readonly data: number }): Promise<void> {
  const volumes: Volume[] = [
    { name: 'root', dataVolume: { name: volumeName(guest, 'root', places.root) } },
    { name: 'seed', cloudInitNoCloud: { userData: guest.userData } },
    { name: 'data', dataVolume: { name: volumeName(guest, 'data', places.data), hotpluggable: true } },
  ];
  const spec = { updateVolumesStrategy: 'Migration', dataVolumeTemplates: null, template: { spec: { volumes } } };
  await at.cluster.client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch: { spec } });
}

describe('a guest whose data disk comes while it runs', () => {
  const owned = new AsyncDisposableStack();
  let subject: GuestUnderTest;
  beforeAll(async () => {
    const pair = owned.use(await startPair());
    const runId = randomBytes(8).toString('hex');
    const oracle = owned.use(await OracleObserver.start({ runId }));
    const runners = owned.use(watchRunners(pair.layout, pair.state));
    const load = { memoryMib: 16, dirtyMibPerSecond: 2 };
    const guest: Guest = {
      name: `guest-${runId.slice(0, 4)}`,
      userData: oracleUserData({ runId, reportPort: oracle.port, diskSerial: dataDiskSerial, ...load }),
      firmwareUuid: randomUUID(),
      macAddress: `52:54:00:${runId.slice(0, 6).replaceAll(/(..)(?=.)/g, '$1:')}`,
    };
    const { client } = pair.alpha;
    for (const volume of blankDataVolumes(guest, local, 1))
      if (volume.metadata.name === volumeName(guest, 'data', 1)) await client.create(resources.dataVolumes, volume);
    await client.create(resources.virtualMachines, withoutData(virtualMachine(guest, local, 1, 'source')));
    const at = { cluster: pair.alpha, storage: local, place: 1 };
    const known = { boots: 1, regressions: 0 };
    const nothing = { [Symbol.asyncDispose]: async () => undefined };
    subject = { pair, guest, oracle, runners: runners.observer, at, newestPlace: 1, known, ...nothing };
    await eventually(
      'the guest to run',
      async () => (await instanceOf(subject, at))?.status?.phase === 'Running',
      180_000,
    );
  });
  afterAll(async () => {
    await owned.disposeAsync();
  });

  async function ready(claim: string): Promise<void> {
    await eventually(`volume data on ${claim}`, async () => {
      const status = (await instanceOf(subject, subject.at))?.status?.volumeStatus?.find(({ name }) => name === 'data');
      return status?.phase === 'Ready' && status.persistentVolumeClaimInfo?.claimName === claim;
    });
  }

  /** The root disk keeps the guest on its node: in place is the only way. */
  async function move(to: Whereabouts): Promise<Move> {
    const { cluster } = subject.at;
    await eventually('the volume change to be accepted', async () =>
      isTrue((await instanceOf(subject, subject.at))?.status?.conditions, 'VolumesChange'),
    );
    const fromNode = await nodeOf(subject);
    const made = await cluster.client.create(
      resources.virtualMachineInstanceMigrations,
      migration(subject.guest, 'e2e-'),
    );
    return { source: cluster, name: made.metadata.name, fromNode, to };
  }

  it('writes to it once it was added', async () => {
    const { guest, pair, oracle } = subject;
    const path = `/apis/subresources.kubevirt.io/v1/namespaces/${namespace}/virtualmachines/${guest.name}/addvolume`;
    const claim = volumeName(guest, 'data', 1);
    const options = { name: 'data', disk: { disk: { bus: 'scsi' }, serial: dataDiskSerial } };
    const asked = await run('kubectl', ['--context', 'alpha', 'replace', '--raw', path, '-f', '-'], {
      env: { KUBECONFIG: pair.layout.kubeconfig },
      input: JSON.stringify({ ...options, volumeSource: { dataVolume: { name: claim } } }),
    });
    expect(asked.status, said(asked)).toBe(0);
    await ready(claim);
    await oracle.waitForWrites(200, 180_000);
    await expectAlive(subject);
  });

  it('takes it along to the other node [SLM 5.1 #18]', async () => {
    for (const volume of blankDataVolumes(subject.guest, local, 2))
      await subject.at.cluster.client.create(resources.dataVolumes, volume);
    await rename(subject, { root: 2, data: 2 });
    await expectSuccess(subject, await moveWithDisks(subject, { ...subject.at, place: 2 }));
    await ready(volumeName(subject.guest, 'data', 2));
  });

  it('has it alone moved to another claim while it stays [SLM 5.1 #17]', async () => {
    for (const volume of blankDataVolumes(subject.guest, local, 3))
      if (volume.metadata.name === volumeName(subject.guest, 'data', 3))
        await subject.at.cluster.client.create(resources.dataVolumes, volume);
    await rename(subject, { root: 2, data: 3 });
    await expectSuccess(subject, await move({ ...subject.at, place: 3 }));
    await ready(volumeName(subject.guest, 'data', 3));
  });

  it('has every acknowledged write on it', async () => {
    await expectClean(subject);
  });
});
