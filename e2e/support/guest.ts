import { randomBytes, randomUUID } from 'node:crypto';
import { resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { oracleUserData, OracleObserver, verifyOracleDisk } from '@godwit/guest';
import type { RunnerObserver } from '@godwit/guest';
import { expect } from 'vitest';
import { locateDisk } from '../../apps/cli/src/commands/demo/locate-disk.ts';
import { dataDiskSerial, namespace, virtualMachine, volumeName } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Guest, Storage } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { watchRunners } from '../../apps/cli/src/commands/demo/watch-runners.ts';
import { eventually } from './eventually.ts';
import type { Pair } from './pair.ts';

/** Small enough that a migration converges at the low bandwidths that the tests set. */
const light: Load = { memoryMib: 16, dirtyMibPerSecond: 2 };
export interface Load {
  readonly memoryMib: number;
  readonly dirtyMibPerSecond: number;
  readonly ballastMib?: number;
  /** Of the machine; default: what `virtualMachine` gives. */
  readonly memory?: string;
}

/** A running guest with its write oracle. There is one per pair of clusters, since every QEMU of the pair is watched. */
export interface GuestUnderTest extends AsyncDisposable {
  readonly pair: Pair;
  readonly guest: Guest;
  readonly oracle: OracleObserver;
  readonly runners: RunnerObserver;
  /** Where the last successful move has put it. */
  at: Whereabouts;
  /** Number of the newest set of volumes, in use or not. */
  newestPlace: number;
  /** Boots that tests have brought about, and steps back in the guest's reports that came with them. */
  known: { readonly boots: number; readonly regressions: number };
}

export async function bootGuest(pair: Pair, storage: Storage, load: Load = light): Promise<GuestUnderTest> {
  const runId = randomBytes(8).toString('hex');
  const { memory, ...busyness } = load;
  const oracle = await OracleObserver.start({ runId });
  const runners = watchRunners(pair.layout, pair.state);
  const guest: Guest = {
    name: `guest-${runId.slice(0, 4)}`,
    userData: oracleUserData({ runId, reportPort: oracle.port, diskSerial: dataDiskSerial, ...busyness }),
    firmwareUuid: randomUUID(),
    macAddress: `52:54:00:${runId.slice(0, 6).replaceAll(/(..)(?=.)/g, '$1:')}`,
  };
  const machine = virtualMachine(guest, storage, 1, 'source');
  const { domain } = machine.spec.template.spec;
  if (memory !== undefined) domain.memory = { guest: memory };
  await pair.alpha.client.create(resources.virtualMachines, machine);
  await oracle.waitForWrites(200, 180_000);
  return {
    pair,
    guest,
    oracle,
    runners: runners.observer,
    at: { cluster: pair.alpha, storage, place: 1 },
    newestPlace: 1,
    known: { boots: 1, regressions: 0 },
    async [Symbol.asyncDispose]() {
      runners[Symbol.dispose]();
      await oracle[Symbol.asyncDispose]();
    },
  };
}

/** The guest's VMI where the guest is. */
export async function instanceOf(
  { guest }: GuestUnderTest,
  { cluster }: Pick<Whereabouts, 'cluster'>,
): Promise<Stored<VirtualMachineInstance> | undefined> {
  return cluster.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, guest.name, namespace);
}

export async function nodeOf(subject: GuestUnderTest): Promise<string> {
  return eventually('the node of the guest', async () => (await instanceOf(subject, subject.at))?.status?.nodeName);
}

/** The guest writes on, has not been started anew, and no second copy of it ever ran. */
export async function expectAlive({ oracle, runners, known }: GuestUnderTest): Promise<void> {
  await oracle.waitForWrites(50, 30_000);
  const { bootIds, regressions, memoryErrors, ioErrors } = oracle.log.summary();
  expect({ boots: bootIds.length, regressions, memoryErrors, ioErrors, runnersMax: runners.runnersMax() }).toEqual({
    ...known,
    memoryErrors: 0,
    ioErrors: 0,
    runnersMax: 1,
  });
}

/** Waits until the guest has booted once more, with everything it was told is written. */
export async function expectNextBoot(subject: GuestUnderTest, acknowledged: number): Promise<void> {
  const { oracle, known } = subject;
  const boots = known.boots + 1;
  const first = await eventually(
    `boot ${boots} of the guest`,
    async () => {
      const { bootIds } = oracle.log.summary();
      const { bootId, acknowledged: now } = oracle.log.last ?? { bootId: '', acknowledged: 0 };
      return bootIds.length === boots && bootId === bootIds.at(-1) && now > 0 && now;
    },
    180_000,
  );
  expect(first).toBeGreaterThanOrEqual(acknowledged);
  // Until it had read its disk it did not know how far it was.
  subject.known = { boots, regressions: oracle.log.summary().regressions };
  await expectAlive(subject);
}

/** Switches the guest off and looks for every acknowledged write on the disk that it had last. */
export async function expectClean(subject: GuestUnderTest): Promise<void> {
  await expectAlive(subject);
  await expectCleanDisk(subject);
}

/** Makes sure that the guest is off, and looks for every acknowledged write on the disk that it had last. */
export async function expectCleanDisk(subject: GuestUnderTest): Promise<void> {
  const { guest, oracle, pair, at } = subject;
  const { client, name } = at.cluster;
  const patch = { spec: { runStrategy: 'Halted' } };
  await client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch });
  await eventually('the guest to be off', async () => (await instanceOf(subject, at)) === undefined);
  const disk = await locateDisk(client, pair.layout, name, volumeName(guest, 'data', at.place));
  const { acknowledged } = oracle.log.summary();
  const verdict = await verifyOracleDisk(disk, oracle.runId, acknowledged);
  expect(verdict).toMatchObject({ lost: 0, corrupt: 0, faults: [] });
  expect(verdict.checked).toBeGreaterThan(200);
}
