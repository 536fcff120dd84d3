import { join } from 'node:path';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MachineEvent } from '@godwit/hypervisor';
import { insist } from '../migration/insist.ts';
import { createConsoleHub } from './console-hub.ts';
import type { ConsoleHub } from './console-hub.ts';
import type { MachineEnd, MachineRecord, MachineRecords } from './record.ts';

/** Who decides what an end of the process means: this agent, or the migration that is moving the guest. */
export type Custody = 'agent' | 'migration';

export interface HeldMachine {
  readonly machine: Machine;
  readonly record: MachineRecord;
  readonly custody: Custody;
  readonly console: ConsoleHub;
  /** True once the guest itself has asked to be switched off. */
  readonly guestShutDown: boolean;
}

/** The machines that this agent is connected to: what happens to them is heard here, and how they end is written down. */
export interface HeldMachines {
  get(podUid: string): HeldMachine | undefined;
  list(): readonly HeldMachine[];
  /** As it is; `lookAt` when somebody else may have had it before. */
  take(machine: Machine, record: MachineRecord, custody: Custody): HeldMachine;
  /** What a machine did while a migration answered for it was for nobody here to hear: it may have ended, or its guest. */
  lookAt(podUid: string): void;
  setCustody(podUid: string, custody: Custody): void;
  /** In memory at once, and durably when it resolves. Nothing happens to a machine that nobody holds. */
  save(podUid: string, change: Partial<MachineRecord>): Promise<void>;
  /** Its guest was found switched off. */
  noteShutdown(podUid: string): void;
  /** Records how a machine ended, held or not; the first word stands. */
  end(record: MachineRecord, end: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord>;
  drop(podUid: string): void;
}

interface Entry {
  machine: Machine;
  record: MachineRecord;
  custody: Custody;
  console: ConsoleHub;
  guestShutDown: boolean;
  release: () => void;
}

/** What an end means, by what was known of the machine before. */
export function endOf(record: MachineRecord, guestShutDown: boolean, otherwise: string): Omit<MachineEnd, 'atMs'> {
  if (guestShutDown) return { outcome: 'shutdown', message: 'the guest was shut down' };
  if (record.stopping !== undefined) return { outcome: 'killed', message: record.stopping };
  return { outcome: 'crashed', message: otherwise };
}

/** Between two looks at a machine that does not answer. */
const LONGEST_PAUSE_MS = 10_000;

export function createHeldMachines(options: {
  readonly records: MachineRecords;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: (record: MachineRecord) => void;
}): HeldMachines {
  const { records, clock, log, onChange } = options;
  const held = new Map<string, Entry>();
  /** A kill and the exit that follows it tell of one end: the first to tell is believed. */
  const ending = new Map<string, Promise<MachineRecord>>();

  async function end(record: MachineRecord, how: Omit<MachineEnd, 'atMs'>): Promise<MachineRecord> {
    const { uid } = record.pod;
    const told = ending.get(uid) ?? tellEnd(record, how);
    ending.set(uid, told);
    try {
      return await told;
    } finally {
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

  const noteShutdown = (uid: string): void =>
    onEvent(uid, { type: 'shutdown', atMs: clock.now(), guestInitiated: true });

  async function look(uid: string, entry: Entry): Promise<void> {
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
    else if (state === 'shutdown' || entry.guestShutDown) noteShutdown(uid);
  }

  function lookAt(uid: string): void {
    const entry = held.get(uid);
    if (entry) inBackground(uid, look(uid, entry));
  }

  function inBackground(uid: string, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      log.error({ podUID: uid, err: describeError(error) }, 'machine could not be settled'),
    );
  }

  return {
    get: (podUid) => held.get(podUid),
    list: () => [...held.values()],
    take(machine, record, custody) {
      const { uid } = record.pod;
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
    },
    lookAt,
    setCustody(podUid, custody) {
      const entry = held.get(podUid);
      if (!entry || entry.custody === custody) return;
      entry.custody = custody;
      if (custody === 'agent') lookAt(podUid);
    },
    async save(podUid, change) {
      const entry = held.get(podUid);
      if (!entry) return;
      entry.record = { ...entry.record, ...change };
      await records.write(entry.record);
    },
    noteShutdown,
    end,
    drop,
  };
}
