import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import type { Hypervisor, Machine, MachineSpec } from '@godwit/hypervisor';
import { createMachines } from '../src/launcher/machines.ts';
import type { Machines } from '../src/launcher/machines.ts';
import { createMachineRecords } from '../src/launcher/record.ts';
import type { MachineRecord, MachineRecords } from '../src/launcher/record.ts';

/** A machine without anything. */
export const EMPTY_SPEC: MachineSpec = {
  name: 'vm',
  uuid: '',
  machineType: 'q35',
  cpu: { model: 'max', sockets: 1, cores: 1, threads: 1 },
  memoryKiB: 1,
  disks: [],
  nics: [],
  rng: false,
  serial: undefined,
};

/** The machines of a node in this directory, with as much of a hypervisor as a test needs. */
export function machinesIn(
  root: string,
  options: {
    readonly hypervisor?: { [Member in keyof Hypervisor]?: (...given: never[]) => Promise<Machine | undefined | void> };
    readonly records?: (records: MachineRecords) => MachineRecords;
    readonly onChange?: (record: MachineRecord) => void;
    readonly clock?: Clock;
  },
): { readonly machines: Machines; readonly records: MachineRecords } {
  const {
    records: change = (records) => records,
    hypervisor = {},
    onChange = () => undefined,
    clock = systemClock,
  } = options;
  const records = change(createMachineRecords(join(root, 'vms')));
  const machines = createMachines({
    // The cast is safe: what the test asks for needs no other members.
    hypervisor: hypervisor as unknown as Hypervisor,
    acceleration: 'tcg',
    records,
    runRoot: join(root, 'run'),
    clock,
    log: silentLogger,
    onChange,
  });
  return { machines, records };
}
