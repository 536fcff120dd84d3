import type { MachineRecord, MachineRecords } from '../launcher/record.ts';
import type { Machines } from '../launcher/machines.ts';
import type { InPlaceOutcome, SourceOutcome, TargetOutcome } from '../migration/types.ts';
import type { Executor, Outcome } from './executors.ts';
import type { MoveRecord } from './record.ts';

export interface SettleIo {
  readonly machines: Machines;
  readonly records: MachineRecords;
}

/** Brings this node's machines in line with how a migration ended. Idempotent, and independent of the API server. */
export async function settleOutcome(io: SettleIo, executor: Executor, outcome: Outcome): Promise<void> {
  const { role } = executor.record;
  // The casts are safe: an executor's role decides the type of its outcome.
  if (role === 'source') return settleSource(io, executor, outcome as SourceOutcome);
  if (role === 'target') return settleTarget(io, executor, outcome as TargetOutcome);
  return settleInPlace(io, executor, outcome as InPlaceOutcome);
}

async function settleSource(
  { machines, records }: SettleIo,
  { record }: Executor,
  outcome: SourceOutcome,
): Promise<void> {
  const { uid } = record.pod;
  if (outcome.result !== 'succeeded') return giveBack({ machines, records }, uid, outcome.reason);
  const machine = machines.get(uid)?.record ?? (await records.read(uid));
  if (machine) await machines.end(machine, { outcome: 'migrated', message: 'the guest was migrated' });
}

/** The agent answers for the machine again; one that did not survive has crashed. */
async function giveBack({ machines, records }: SettleIo, podUid: string, reason: string): Promise<void> {
  if (machines.get(podUid)) return machines.setCustody(podUid, 'agent');
  const record = await records.read(podUid);
  // Of one that has ended already the first word stands; nothing waits for it any more.
  if (record) await machines.end(record, { outcome: 'crashed', message: reason });
}

async function settleTarget(
  { machines, records }: SettleIo,
  { record }: Executor,
  outcome: TargetOutcome,
): Promise<void> {
  const { pod, vmi } = record;
  const runDirectory = machines.runDirectoryOf(pod.uid);
  switch (outcome.result) {
    case 'running': {
      const { spec, backings, machine, paused } = outcome;
      const asleep = paused === true ? { pausedByUser: true } : {};
      const launched: MachineRecord = {
        version: 1,
        pod,
        vmi,
        spec,
        backings,
        runDirectory,
        state: 'launched',
        ...asleep,
      };
      await records.write(launched);
      machines.hold(machine, launched, 'agent');
      return;
    }
    case 'aborted':
      return machines.release(pod.uid);
    case 'lost': {
      const held = machines.get(pod.uid)?.record;
      await machines.end(held ?? unknownMachine(record, runDirectory), { outcome: 'crashed', message: outcome.reason });
    }
  }
}

/** The machine of a target that nobody has looked at: what it has is in its migration's journal only. */
export function unknownMachine({ pod, vmi }: Pick<MoveRecord, 'pod' | 'vmi'>, runDirectory: string): MachineRecord {
  const spec = {
    name: vmi.name,
    uuid: '',
    machineType: '',
    cpu: { model: '', sockets: 0, cores: 0, threads: 0 },
    memoryKiB: 0,
    disks: [],
    nics: [],
    rng: false,
    serial: undefined,
  };
  return { version: 1, pod, vmi, runDirectory, state: 'launched', spec, backings: [] };
}

/** Whatever the outcome says, QEMU knows best which files it has open now. */
async function settleInPlace(io: SettleIo, { record }: Executor, outcome: InPlaceOutcome): Promise<void> {
  const { uid } = record.pod;
  const held = io.machines.get(uid);
  if (held && (await held.machine.state()) !== 'gone')
    await io.machines.update(uid, { backings: await held.machine.backings() });
  return giveBack(io, uid, outcome.result === 'succeeded' ? 'QEMU ended unexpectedly' : outcome.reason);
}
