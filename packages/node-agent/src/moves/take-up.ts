import type { ObjectKey } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Hypervisor, Machine } from '@godwit/hypervisor';
import type { Machines } from '../launcher/machines.ts';
import type { MachineRecords } from '../launcher/record.ts';
import { recoverMigrations } from '../migration/index.ts';
import type { RecoverOptions, RecoveryProblem } from '../migration/types.ts';
import { vmiKeyOf } from './executors.ts';
import { takeUpLater } from './later.ts';
import type { Executors } from './executors.ts';
import type { ProgressWriter } from './progress-writer.ts';
import type { MoveRecord, MoveRecords } from './record.ts';
import { unknownMachine } from './settle.ts';

/** Takes up what an earlier agent was doing. Resolves with the pods whose machines a migration has in its hands. */
export async function takeUpMoves(options: {
  readonly journalDir: string;
  readonly moveRecords: MoveRecords;
  readonly executors: Executors;
  readonly io: { readonly hypervisor: Hypervisor; readonly machines: Machines; readonly records: MachineRecords };
  readonly progressOf: (record: MoveRecord) => ProgressWriter;
  readonly renew: NonNullable<RecoverOptions['renew']>;
  readonly onChange: (vmi: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<ReadonlySet<string>> {
  const { journalDir, moveRecords, executors, io, clock, log } = options;
  const wake = (id: string): void => {
    for (const { record } of executors.list()) if (record.identity.id === id) options.onChange(vmiKeyOf(record));
  };
  const records = await moveRecords.list();
  const writers = new Map<MoveRecord, ProgressWriter>();
  const writerOf = (record: MoveRecord): ProgressWriter => {
    const writer = writers.get(record) ?? options.progressOf(record);
    writers.set(record, writer);
    return writer;
  };
  const recordOf = (role: MoveRecord['role'], id: string) =>
    records.find((record) => record.role === role && record.identity.id === id);
  const machineRecords = new Map((await io.records.list()).map((record) => [record.runDirectory, record]));
  const adopted = new Map<string, Machine>();
  const later = new Map<MoveRecord, RecoveryProblem>();
  const handles = await recoverMigrations({
    journalDir,
    hypervisor: io.hypervisor,
    async machineAt(directory) {
      const machine = await io.hypervisor.adopt(directory);
      if (machine) adopted.set(directory, machine);
      return machine;
    },
    renew: options.renew,
    log,
    clock,
    onStatus: (identity) => wake(identity.id),
    progressOf({ id }, role) {
      const record = recordOf(role, id);
      const writer = record && writerOf(record);
      return writer && { told: writer.told, tell: writer.write };
    },
    onProblem(problem) {
      const record = recordOf(problem.role, problem.id);
      if (!record) return false;
      later.set(record, problem);
      return true;
    },
  });
  const hold = (record: MoveRecord): void => {
    const directory = io.machines.runDirectoryOf(record.pod.uid);
    const machine = adopted.get(directory);
    const known = machineRecords.get(directory);
    if (machine && known && record.role !== 'target') io.machines.hold(machine, known, 'migration');
  };
  const onTakenUp = (record: MoveRecord): void => {
    hold(record);
    // Its migration knows what became of it, as of every other machine that nobody holds here.
    if (!io.machines.get(record.pod.uid)) io.machines.release(record.pod.uid);
  };
  const pods = new Set<string>();
  for (const record of records) {
    const problem = later.get(record);
    const handle = problem
      ? takeUpLater(
          { role: record.role, identity: record.identity, problem: problem.error },
          { takeUp: problem.retry, onTakenUp: () => onTakenUp(record), onStatus: () => wake(record.identity.id), log },
        )
      : handles.find((one) => one.role === record.role && one.identity.id === record.identity.id);
    // Without a journal nothing had begun; the reconciler sees that in the VMI's record.
    if (!handle) {
      await moveRecords.remove(record.pod.uid);
      continue;
    }
    pods.add(record.pod.uid);
    const directory = io.machines.runDirectoryOf(record.pod.uid);
    const known = machineRecords.get(directory) ?? unknownMachine(record, directory);
    if (!problem) hold(record);
    else if (known.state !== 'ended') io.machines.reserve(known, describeError(problem.error));
    executors.add(record, handle, writerOf(record));
    log.info({ migrationUID: record.migrationUid, role: record.role }, 'took up migration');
  }
  return pods;
}
