import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Hypervisor, Machine } from '@godwit/hypervisor';
import { insist } from '../migration/insist.ts';
import { endOf } from './held-machines.ts';
import type { HeldMachine, HeldMachines } from './held-machines.ts';
import { alignedWith } from './record.ts';
import type { MachineRecord, MachineRecords } from './record.ts';

/** How this agent gets hold of machines that an earlier one has left, at once or once they answer. */
export interface Adoption {
  /** Connects to what survived; machines that are gone get their end recorded, unless excepted. */
  adoptAll(underMigration: ReadonlySet<string>): Promise<void>;
  adopt(record: MachineRecord): Promise<Machine | undefined>;
  /** Nobody can hold it yet, though it lives, or may. */
  reserve(record: MachineRecord, why: string): void;
  reserved(): readonly MachineRecord[];
  whyReserved(podUid: string): string | undefined;
  /** Somebody has it, or it is known to be gone. */
  free(podUid: string): void;
  /** Ends one that is reserved for good. Rejects as long as its process is there. */
  killReserved(podUid: string, message: string): Promise<void>;
  close(): void;
}

/** Between two attempts to adopt a machine that does not answer. */
const LONGEST_PAUSE_MS = 10_000;

export function createAdoption(options: {
  readonly hypervisor: Hypervisor;
  readonly records: MachineRecords;
  readonly held: HeldMachines;
  readonly log: Logger;
  readonly onChange: (record: MachineRecord) => void;
}): Adoption {
  const { hypervisor, records, held, log, onChange } = options;
  const reserved = new Map<string, { readonly record: MachineRecord; readonly why: string }>();
  let closed = false;

  async function adopt(record: MachineRecord): Promise<Machine | undefined> {
    return held.get(record.pod.uid)?.machine ?? hypervisor.adopt(record.runDirectory);
  }

  async function adoptOne(found: MachineRecord, isWanted: () => boolean = () => true): Promise<void> {
    const { uid } = found.pod;
    const machine = await adopt(found);
    // It was ended, and may be forgotten already.
    if (!isWanted()) return machine?.disconnect();
    // With what was decided about it while it did not answer.
    const record = held.get(uid)?.record ?? reserved.get(uid)?.record ?? found;
    if (!machine) {
      // A launch that never came to be is repeated by the pod's reconciler.
      if (record.state === 'launched')
        await held.end(record, endOf(record, false, 'QEMU was gone when the node agent came back'));
      return;
    }
    // Whoever has it since an earlier attempt may be moving its guest.
    const entry = held.get(uid) ?? (await letRun(machine, record, isWanted));
    if (!entry) return;
    await held.save(uid, { state: 'launched', ...(await alignedWith(entry.record, machine)) });
    if (entry.custody === 'agent') held.lookAt(uid);
    onChange(entry.record);
  }

  /**
   * Holds a machine, with its guest running if we were killed between starting QEMU and that. It counts as launched only then: an
   * agent that comes after us would leave one that is launched and paused as it is. `undefined`: it was ended meanwhile.
   */
  async function letRun(
    machine: Machine,
    record: MachineRecord,
    isWanted: () => boolean,
  ): Promise<HeldMachine | undefined> {
    try {
      const isCutShort = record.state === 'launching' && record.pausedByUser !== true;
      if (isCutShort && (await machine.state()) === 'paused') await machine.resume();
    } catch (error) {
      machine.disconnect();
      throw error;
    }
    if (!isWanted()) {
      machine.disconnect();
      return undefined;
    }
    log.info({ Pod: record.pod, pid: machine.pid }, 'adopted machine');
    // With what was decided about it while it did not answer.
    const { uid } = record.pod;
    const known = reserved.get(uid)?.record ?? record;
    reserved.delete(uid);
    return held.take(machine, known, 'agent');
  }

  /** One QEMU that hangs must not keep the others from being looked after. */
  async function adoptWhenItAnswers(record: MachineRecord, problem: unknown): Promise<void> {
    const { uid } = record.pod;
    log.error({ Pod: record.pod, err: describeError(problem) }, 'machine does not let itself be adopted, trying again');
    reserved.set(uid, { record, why: describeError(problem) });
    const isWanted = (): boolean => reserved.has(uid) || held.get(uid) !== undefined;
    const known = await insist(async () => (isWanted() ? adoptOne(record, isWanted) : undefined), {
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

  return {
    adopt,
    reserve: (record, why) => void reserved.set(record.pod.uid, { record, why }),
    reserved: () => [...reserved.values()].map(({ record }) => record),
    whyReserved: (podUid) => reserved.get(podUid)?.why,
    free: (podUid) => void reserved.delete(podUid),
    async killReserved(podUid, message) {
      const known = reserved.get(podUid);
      if (!known) return;
      const record: MachineRecord = { ...known.record, stopping: message };
      reserved.set(podUid, { ...known, record });
      await records.write(record);
      await hypervisor.end(record.runDirectory);
      await held.end(record, endOf(record, false, message));
      reserved.delete(podUid);
    },
    async adoptAll(underMigration) {
      const found = (await records.list()).filter(
        ({ state, pod }) => state !== 'ended' && !underMigration.has(pod.uid),
      );
      // All at once: those that hang often hang together, and none may wait for the others.
      await Promise.all(
        found.map((record) =>
          adoptOne(record).catch((error: unknown) => {
            adoptWhenItAnswers(record, error).catch((failed: unknown) =>
              log.error({ podUID: record.pod.uid, err: describeError(failed) }, 'machine could not be settled'),
            );
          }),
        ),
      );
    },
    close() {
      closed = true;
    },
  };
}
