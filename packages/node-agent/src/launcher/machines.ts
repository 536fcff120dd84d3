import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Acceleration, DiskBacking, Hypervisor, Machine, MachineEvent, MachineSpec } from '@godwit/hypervisor';
import { createConsoleHub } from './console-hub.ts';
import type { ConsoleHub } from './console-hub.ts';
import { makePrivateDirectory } from '../host/directories.ts';
import { insist } from '../migration/insist.ts';
import { alignedWith } from './record.ts';
import type { MachineEnd, MachineRecord, MachineRecords } from './record.ts';

/** Who decides what an end of the process means: this module, or the migration that is moving the guest. */
export type Custody = 'agent' | 'migration';

export interface HeldMachine {
  readonly machine: Machine;
  readonly record: MachineRecord;
  readonly custody: Custody;
  readonly console: ConsoleHub;
  /** True once the guest itself has asked to be switched off. */
  readonly guestShutDown: boolean;
}

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
  /** A machine that does not let itself be adopted yet: its disks are in use, and nothing is done with its pod. */
  reserve(record: MachineRecord): void;
  isReserved(podUid: string): boolean;
  adopt(record: MachineRecord): Promise<Machine | undefined>;
  setCustody(podUid: string, custody: Custody): void;
  update(podUid: string, change: Partial<Pick<MachineRecord, 'backings' | 'spec' | 'pausedByUser'>>): Promise<void>;
  /** Brings the record in line with the disks that the machine has. */
  align(podUid: string): Promise<void>;
  /** One after the other: changes of a machine's disks, and the start of a migration, which takes its disks as they are. */
  exclusively<T>(podUid: string, work: () => Promise<T>): Promise<T>;
  /** Somebody has, or waits for, such a turn. */
  isBusy(podUid: string): boolean;
  /** Records how a machine ended; the first word stands. */
  end(record: MachineRecord, end: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord>;
  /** Lets go of a machine that never became this node's: a target whose migration came to nothing. */
  release(podUid: string): void;
  /** Stops a machine for good and records why. */
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

interface Entry {
  machine: Machine;
  record: MachineRecord;
  custody: Custody;
  console: ConsoleHub;
  guestShutDown: boolean;
  release: () => void;
}

function endOf(record: MachineRecord, guestShutDown: boolean, otherwise: string): Omit<MachineEnd, 'atMs'> {
  if (guestShutDown) return { outcome: 'shutdown', message: 'the guest was shut down' };
  if (record.stopping !== undefined) return { outcome: 'killed', message: record.stopping };
  return { outcome: 'crashed', message: otherwise };
}

/** Between two attempts to adopt a machine that does not answer. */
const LONGEST_PAUSE_MS = 10_000;

export function createMachines(options: MachinesOptions): Machines {
  const { hypervisor, acceleration, records, runRoot, clock, log, onChange } = options;
  const held = new Map<string, Entry>();
  const reserved = new Map<string, MachineRecord>();
  let closed = false;

  async function save(entry: Entry, change: Partial<MachineRecord>): Promise<void> {
    entry.record = { ...entry.record, ...change };
    await records.write(entry.record);
  }

  /** A kill and the exit that follows it tell of one end: the first to tell is believed. */
  const ending = new Map<string, Promise<MachineRecord>>();

  async function end(record: MachineRecord, how: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord> {
    const { uid } = record.pod;
    const told = ending.get(uid) ?? tellEnd(record, how);
    ending.set(uid, told);
    try {
      return await told;
    } finally {
      reserved.delete(uid);
      if (ending.get(uid) === told) ending.delete(uid);
    }
  }

  async function tellEnd(record: MachineRecord, how: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord> {
    const { uid } = record.pod;
    const known = held.get(uid)?.record ?? (await records.read(uid)) ?? record;
    if (known.state === 'ended') return known;
    const ended: MachineRecord = { ...known, state: 'ended', end: { ...how, atMs: clock.now() } };
    log.info({ Pod: record.pod, VirtualMachineInstance: record.vmi, ...how }, 'machine ended');
    await records.write(ended);
    const entry = held.get(uid);
    if (entry) entry.record = ended;
    drop(uid);
    onChange(ended);
    return ended;
  }

  function drop(uid: string): void {
    const entry = held.get(uid);
    held.delete(uid);
    entry?.release();
    entry?.console.close();
  }

  async function onExit(uid: string): Promise<void> {
    const entry = held.get(uid);
    if (!entry || entry.custody === 'migration') return;
    await end(entry.record, endOf(entry.record, entry.guestShutDown, 'QEMU ended unexpectedly'));
  }

  function onEvent(uid: string, event: MachineEvent): void {
    const entry = held.get(uid);
    if (!entry) return;
    if (event.type === 'shutdown' && (event.guestInitiated || entry.custody === 'agent')) entry.guestShutDown = true;
    // QEMU may stay behind with a stopped guest; nobody can use it any more.
    if (event.type === 'shutdown' && entry.custody === 'agent') inBackground(uid, entry.machine.kill());
    onChange(entry.record);
  }

  /** What a machine did while a migration answered for it was for nobody here to hear: it may have ended, or its guest. */
  async function lookAt(uid: string, entry: Entry): Promise<void> {
    const isMine = (): boolean => held.get(uid) === entry && entry.custody === 'agent';
    const state = await insist(async () => (isMine() ? entry.machine.state() : undefined), {
      hindrance: 'The machine does not say whether its guest still runs',
      stopped: () => !isMine(),
      hindered: () => undefined,
      log,
      longestPauseMs: LONGEST_PAUSE_MS,
    }).catch((error: unknown) => {
      if (isMine()) throw error;
      return undefined;
    });
    if (!isMine()) return;
    if (state === 'gone') await onExit(uid);
    // One that is taken back from a migration may execute again after it was switched off.
    else if (state === 'shutdown' || entry.guestShutDown)
      onEvent(uid, { type: 'shutdown', atMs: clock.now(), guestInitiated: true });
  }

  function inBackground(uid: string, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      log.error({ podUID: uid, err: describeError(error) }, 'machine could not be settled'),
    );
  }

  function hold(machine: Machine, record: MachineRecord, custody: Custody): HeldMachine {
    const entry = take(machine, record, custody);
    if (custody === 'agent') inBackground(record.pod.uid, lookAt(record.pod.uid, entry));
    return entry;
  }

  function take(machine: Machine, record: MachineRecord, custody: Custody): Entry {
    const { uid } = record.pod;
    reserved.delete(uid);
    const old = held.get(uid);
    if (old?.machine === machine) {
      old.record = record;
      old.custody = custody;
      return old;
    }
    drop(uid);
    const console = createConsoleHub({
      socketPath: join(machine.directory, 'serial.sock'),
      logPath: join(machine.directory, 'serial.log'),
      clock,
      log,
    });
    const release = machine.onEvent((event) => onEvent(uid, event));
    const entry: Entry = { machine, record, custody, console, guestShutDown: false, release };
    held.set(uid, entry);
    inBackground(
      uid,
      machine.exited().then(() => (held.get(uid) === entry ? onExit(uid) : undefined)),
    );
    return entry;
  }

  async function adopt(record: MachineRecord): Promise<Machine | undefined> {
    const known = held.get(record.pod.uid);
    return known?.machine ?? hypervisor.adopt(record.runDirectory);
  }

  async function align(podUid: string): Promise<void> {
    const entry = held.get(podUid);
    const change = entry && (await alignedWith(entry.record, entry.machine));
    if (change) await save(entry, change);
  }

  const turns = new Map<string, Promise<unknown>>();

  async function exclusively<T>(podUid: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(podUid);
    const mine = (async () => {
      // However that ended.
      await before?.catch(() => undefined);
      return work();
    })();
    turns.set(podUid, mine);
    try {
      return await mine;
    } finally {
      if (turns.get(podUid) === mine) turns.delete(podUid);
    }
  }

  async function adoptOne(record: MachineRecord): Promise<void> {
    const machine = await adopt(record);
    if (!machine) {
      // A launch that never came to be is repeated by the pod's reconciler.
      if (record.state === 'launched')
        await end(record, endOf(record, false, 'QEMU was gone when the node agent came back'));
      return;
    }
    log.info({ Pod: record.pod, pid: machine.pid }, 'adopted machine');
    const launched: MachineRecord = { ...record, state: 'launched' };
    await records.write(launched);
    const entry = take(machine, launched, 'agent');
    await align(record.pod.uid);
    const state = await machine.state();
    if (state === 'shutdown') onEvent(record.pod.uid, { type: 'shutdown', atMs: clock.now(), guestInitiated: true });
    // We were killed between starting QEMU and letting the guest run.
    if (state === 'paused' && record.state === 'launching' && record.pausedByUser !== true) await machine.resume();
    onChange(entry.record);
  }

  /** One QEMU that hangs must not keep the others from being looked after. */
  async function adoptWhenItAnswers(record: MachineRecord, problem: unknown): Promise<void> {
    const { uid } = record.pod;
    log.error({ Pod: record.pod, err: describeError(problem) }, 'machine does not let itself be adopted, trying again');
    reserved.set(uid, record);
    const known = await insist(async () => adoptOne(record), {
      hindrance: 'The machine does not let itself be adopted',
      stopped: () => closed,
      hindered: () => undefined,
      log,
      longestPauseMs: LONGEST_PAUSE_MS,
    }).then(
      () => true,
      () => false,
    );
    if (!known) return; // closed: the next agent goes on
    reserved.delete(uid);
    onChange(record);
  }

  const runDirectoryOf = (podUid: string): string => join(runRoot, podUid);
  async function makeRunDirectory(podUid: string): Promise<string> {
    const directory = runDirectoryOf(podUid);
    await makePrivateDirectory(runRoot);
    await makePrivateDirectory(directory);
    const link = join(records.directoryOf(podUid), 'run');
    await mkdir(records.directoryOf(podUid), { recursive: true, mode: 0o700 });
    await rm(link, { force: true });
    await symlink(directory, link);
    return directory;
  }

  return {
    get: (podUid) => held.get(podUid),
    list: () => [...held.values()],
    ofVmi: (namespace, name) =>
      [...held.values()].find(({ record }) => record.pod.namespace === namespace && record.vmi.name === name),
    uses: (path) =>
      [...[...held.values()].map(({ record }) => record), ...reserved.values()].some(({ backings }) =>
        backings.some((backing) => backing.path === path),
      ),
    runDirectoryOf,
    makeRunDirectory,
    async launch({ pod, vmi, spec, backings, mode }) {
      const directory = await makeRunDirectory(pod.uid);
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
    hold,
    adopt,
    async adoptAll(underMigration) {
      for (const record of await records.list()) {
        if (record.state === 'ended' || underMigration.has(record.pod.uid)) continue;
        try {
          await adoptOne(record);
        } catch (error) {
          inBackground(record.pod.uid, adoptWhenItAnswers(record, error));
        }
      }
    },
    reserve: (record) => void reserved.set(record.pod.uid, record),
    isReserved: (podUid) => reserved.has(podUid),
    setCustody(podUid, custody) {
      const entry = held.get(podUid);
      if (!entry || entry.custody === custody) return;
      entry.custody = custody;
      if (custody === 'agent') inBackground(podUid, lookAt(podUid, entry));
    },
    async update(podUid, change) {
      const entry = held.get(podUid);
      if (entry) await save(entry, change);
    },
    align,
    exclusively,
    isBusy: (podUid) => turns.has(podUid),
    end,
    release: drop,
    async kill(podUid, message) {
      const entry = held.get(podUid);
      if (!entry) return;
      // Recorded first: an agent that dies in between must not take the end for a crash.
      await save(entry, { stopping: message });
      await entry.machine.kill();
      await end(entry.record, endOf(entry.record, entry.guestShutDown, message));
    },
    async forget(podUid) {
      drop(podUid);
      // These files are all that leads to a process: it goes first, whatever kept anybody from holding it.
      const left = await hypervisor.adopt(runDirectoryOf(podUid));
      await left?.kill();
      await rm(runDirectoryOf(podUid), { recursive: true, force: true });
      await records.forget(podUid);
    },
    close() {
      closed = true;
      for (const [uid, { machine }] of held) {
        drop(uid);
        machine.disconnect();
      }
    },
  };
}
