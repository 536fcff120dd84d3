import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Acceleration, DiskBacking, Hypervisor, Machine, MachineSpec } from '@godwit/hypervisor';
import { createAdoption } from './adoption.ts';
import { createHeldMachines, endOf } from './held-machines.ts';
import type { Custody, HeldMachine } from './held-machines.ts';
import { withPatience } from './patience.ts';
import { alignedWith } from './record.ts';
import type { MachineEnd, MachineRecord, MachineRecords } from './record.ts';
import { createRunDirectories } from './run-directories.ts';
import { createTurns } from './turns.ts';

export interface LaunchRequest {
  readonly pod: MachineRecord['pod'];
  readonly vmi: MachineRecord['vmi'];
  readonly spec: MachineSpec;
  readonly backings: readonly DiskBacking[];
  readonly mode: 'boot' | 'boot-paused';
}

export interface Machines {
  get(podUid: string): HeldMachine | undefined;
  list(): readonly HeldMachine[];
  /** The running machine of a VMI; `undefined` when none of this node runs it. */
  ofVmi(namespace: string, name: string): HeldMachine | undefined;
  /** True while a machine has this file as a disk. */
  uses(path: string): boolean;
  runDirectoryOf(podUid: string): string;
  /** Makes the private directory that a machine's sockets live in. */
  makeRunDirectory(podUid: string): Promise<string>;
  launch(request: LaunchRequest): Promise<HeldMachine>;
  /** Takes over a machine that somebody else started here: a migration target, or one that survived our restart. Writes nothing. */
  hold(machine: Machine, record: MachineRecord, custody: Custody): HeldMachine;
  /** Connects to what survived of an earlier agent; machines that are gone get their end recorded, unless excepted. */
  adoptAll(underMigration: ReadonlySet<string>): Promise<void>;
  /** A machine that does not let itself be adopted yet: its disks are in use, and it can only be killed. */
  reserve(record: MachineRecord, why: string): void;
  /** `undefined`: it is not. */
  whyReserved(podUid: string): string | undefined;
  adopt(record: MachineRecord): Promise<Machine | undefined>;
  setCustody(podUid: string, custody: Custody): void;
  update(podUid: string, change: Partial<Pick<MachineRecord, 'backings' | 'spec' | 'pausedByUser'>>): Promise<void>;
  /** Brings the record in line with the disks that the machine has. */
  align(podUid: string): Promise<void>;
  /** One after the other: changes of a machine's disks, and the start of a migration, which takes its disks as they are. */
  exclusively<T>(podUid: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Somebody has, or waits for, such a turn. */
  isBusy(podUid: string): boolean;
  /** Records how a machine ended; the first word stands. */
  end(record: MachineRecord, end: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord>;
  /** Lets go of a machine that never became this node's: a target whose migration came to nothing. */
  release(podUid: string): void;
  /**
   * Stops a machine for good, held or reserved, and records why; its process is gone when this resolves. Rejects with
   * `HYPERVISOR_TIMEOUT` (retry: backoff) while the process does not end, as one that waits for storage in the kernel.
   */
  kill(podUid: string, message: string): Promise<void>;
  /** Removes everything a finished pod left behind. */
  forget(podUid: string): Promise<void>;
  /** Lets go of all machines without touching them. */
  close(): void;
}

export interface MachinesOptions {
  readonly hypervisor: Hypervisor;
  readonly acceleration: Acceleration;
  readonly records: MachineRecords;
  readonly runRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Something about the machine of this pod changed. */
  readonly onChange: (record: MachineRecord) => void;
}

export function createMachines(options: MachinesOptions): Machines {
  const { hypervisor, acceleration, records, clock, log } = options;
  const held = createHeldMachines(options);
  const adoption = createAdoption({ ...options, held });
  const directories = createRunDirectories(options.runRoot, records);
  const turns = createTurns();
  const killing = new Map<string, Promise<void>>();

  function take(machine: Machine, record: MachineRecord, custody: Custody): HeldMachine {
    adoption.free(record.pod.uid);
    return held.take(machine, record, custody);
  }

  async function end(record: MachineRecord, how: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord> {
    try {
      return await held.end(record, how);
    } finally {
      adoption.free(record.pod.uid);
    }
  }

  /** One attempt at a time, however often it is asked for. */
  function killOnce({ machine, record }: HeldMachine): Promise<void> {
    const { uid } = record.pod;
    const known = killing.get(uid);
    if (known) return known;
    const killed = machine.kill();
    killing.set(uid, killed);
    const drop = (): void => void killing.delete(uid);
    killed.then(drop, drop);
    return killed;
  }

  return {
    get: (podUid) => held.get(podUid),
    list: () => held.list(),
    ofVmi: (namespace, name) =>
      held.list().find(({ record }) => record.pod.namespace === namespace && record.vmi.name === name),
    uses: (path) =>
      [...held.list().map(({ record }) => record), ...adoption.reserved()].some(({ backings }) =>
        backings.some((backing) => backing.path === path),
      ),
    runDirectoryOf: (podUid) => directories.of(podUid),
    makeRunDirectory: (podUid) => directories.make(podUid),
    async launch({ pod, vmi, spec, backings, mode }) {
      const directory = await directories.make(pod.uid);
      const record: MachineRecord = {
        version: 1,
        pod,
        vmi,
        spec,
        backings,
        runDirectory: directory,
        state: 'launching',
        ...(mode === 'boot-paused' && { pausedByUser: true }),
      };
      await records.write(record);
      log.info({ Pod: pod, VirtualMachineInstance: vmi, mode }, 'launching machine');
      const machine = await hypervisor.launch({ spec, backings, acceleration, directory, mode });
      const launched: MachineRecord = { ...record, state: 'launched' };
      try {
        await records.write(launched);
      } catch (error) {
        // A machine that nobody holds would run on beside its successor.
        await machine.kill();
        throw error;
      }
      return take(machine, launched, 'agent');
    },
    hold(machine, record, custody) {
      const entry = take(machine, record, custody);
      if (custody === 'agent') held.lookAt(record.pod.uid);
      return entry;
    },
    adopt: (record) => adoption.adopt(record),
    adoptAll: (underMigration) => adoption.adoptAll(underMigration),
    reserve: (record, why) => adoption.reserve(record, why),
    whyReserved: (podUid) => adoption.whyReserved(podUid),
    setCustody: (podUid, custody) => held.setCustody(podUid, custody),
    update: (podUid, change) => held.save(podUid, change),
    async align(podUid) {
      const entry = held.get(podUid);
      const change = entry && (await alignedWith(entry.record, entry.machine));
      if (change) await held.save(podUid, change);
    },
    exclusively: (podUid, work, signal) => turns.take(podUid, work, signal),
    isBusy: (podUid) => turns.isTaken(podUid),
    end,
    release(podUid) {
      adoption.free(podUid);
      held.drop(podUid);
    },
    async kill(podUid, message) {
      const entry = held.get(podUid);
      if (!entry) return adoption.killReserved(podUid, message);
      // Recorded first: an agent that dies in between must not take the end for a crash.
      await held.save(podUid, { stopping: message });
      const unended = `The QEMU of ${entry.record.vmi.name} was killed and has not ended yet`;
      await withPatience(killOnce(entry), clock, unended);
      await end(entry.record, endOf(entry.record, entry.guestShutDown, message));
    },
    async forget(podUid) {
      held.drop(podUid);
      // These files are all that leads to a process: it goes first, whatever kept anybody from holding it.
      await hypervisor.end(directories.of(podUid));
      await directories.remove(podUid);
      await records.forget(podUid);
    },
    close() {
      adoption.close();
      for (const { machine, record } of held.list()) {
        held.drop(record.pod.uid);
        machine.disconnect();
      }
    },
  };
}
