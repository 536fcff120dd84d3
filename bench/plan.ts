import type { Operation } from './samples.ts';
import { seededRandom } from './statistics.ts';

export interface GuestLoad {
  readonly memoryMib: number;
  /** Filled once with noise and left alone. */
  readonly ballastMib: number;
  /** Dirtied over and over, at the rate below. */
  readonly workingSetMib: number;
  readonly dirtyMibPerSecond: number;
  readonly writesPerSecond: number;
}

export interface CaseSpec {
  readonly name: string;
  readonly title: string;
  readonly load: GuestLoad;
  /** Percent of the disk that holds data; undefined: the disk is shared and stays where it is. */
  readonly fill: number | undefined;
  readonly operations: readonly Operation[];
  readonly runs: number;
  readonly warmUps: number;
}

export interface PlanOptions {
  /** Names of cases, or their beginnings; empty: all. */
  readonly only: readonly string[];
  /** Operations, or their beginnings; empty: all. */
  readonly by: readonly string[];
  readonly runs: number;
  readonly quick: boolean;
}

const light: GuestLoad = {
  memoryMib: 256,
  ballastMib: 0,
  workingSetMib: 64,
  dirtyMibPerSecond: 20,
  writesPerSecond: 50,
};
const idle: GuestLoad = { ...light, workingSetMib: 0, dirtyMibPerSecond: 0, writesPerSecond: 0 };

const diskOperations = [
  'godwit-tls',
  'virsh-tls',
  'raw-tls',
  'godwit-plain',
  'virsh-plain',
  'godwit-in-place',
  'virsh-blockcopy',
  'qemu-img',
  'nbdcopy',
] as const satisfies Operation[];
/** What has no guest, or none whose load matters, is measured beside the idle one only. */
const needsLoad = (operation: Operation, fill: number): boolean =>
  operation !== 'nbdcopy' && (operation !== 'raw-tls' || fill === 10);
/** The worst of twenty is promised: four times the five rounds of the others. */
const GAP_FACTOR = 4;

/** Everything that can be measured, or the part that was asked for. */
export function plan(options: PlanOptions): CaseSpec[] {
  const { only, by, runs, quick } = options;
  const disks = ([10, 100, 50] as const).flatMap((fill) =>
    (['idle', 'writing'] as const).map((load): CaseSpec => ({
      name: `disk-${fill}-${load}`,
      title: `Disk of 4 GiB, ${fill} % full, ${load} guest`,
      load: load === 'idle' ? idle : light,
      fill,
      operations: diskOperations.filter((operation) => load === 'idle' || needsLoad(operation, fill)),
      runs,
      warmUps: quick ? 0 : 1,
    })),
  );
  const memory = [0, 50, 200, 400, 600].map((rate): CaseSpec => ({
    name: `memory-${rate}`,
    title: `Memory of 1 GiB, 768 MiB in use, 64 MiB of it dirtied at ${rate} MiB/s; no disk travels`,
    load: {
      memoryMib: 1024,
      ballastMib: 704,
      workingSetMib: 64,
      dirtyMibPerSecond: rate,
      writesPerSecond: 20,
    },
    fill: undefined,
    operations: ['godwit-tls', 'virsh-tls'],
    runs,
    warmUps: 0,
  }));
  const gap: CaseSpec = {
    name: 'gap',
    title: 'Lightly loaded guest, disk of 4 GiB, 10 % full',
    load: light,
    fill: 10,
    operations: ['godwit-tls', 'virsh-tls'],
    runs: quick ? runs : runs * GAP_FACTOR,
    warmUps: 0,
  };
  const hard: CaseSpec = {
    name: 'dirty-400',
    title: 'Memory of 256 MiB, 64 MiB of it dirtied at 400 MiB/s; no disk travels',
    load: { ...light, dirtyMibPerSecond: 400 },
    fill: undefined,
    operations: ['godwit-tls'],
    runs,
    warmUps: 0,
  };
  const wanted = (spec: CaseSpec): boolean =>
    only.length > 0 ? only.some((name) => spec.name.startsWith(name)) : !quick || quickCases.includes(spec.name);
  // What matters most comes first: a run may be interrupted.
  return [gap, hard, ...disks, ...memory]
    .filter(wanted)
    .map((spec) => ({ ...spec, operations: spec.operations.filter((operation) => isAsked(by, operation)) }))
    .filter((spec) => spec.operations.length > 0);
}

const isAsked = (asked: readonly string[], name: string): boolean =>
  asked.length === 0 || asked.some((beginning) => name.startsWith(beginning));

const quickCases: readonly string[] = ['disk-10-writing', 'gap', 'dirty-400'];

/** Disk noise comes and goes over minutes: all contenders take turns, in an order that is another one in every round. */
export function roundOrder(wanted: readonly Operation[], round: number): Operation[] {
  const random = seededRandom(round + 1);
  const order = [...wanted];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!]; // both are below the length
  }
  return order;
}
