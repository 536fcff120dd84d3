import { isObject } from '@godwit/core/json';
import { readQuantity } from '@godwit/core/quantity';
import type { FieldProblem } from '../refuse.ts';

interface Range {
  readonly from: number;
  readonly to?: number;
}

/** QEMU's own limit of `downtime-limit`, in milliseconds. */
const LONGEST_DOWNTIME_MS = 2_000_000;
const NOT_NEGATIVE: Range = { from: 0 };
const AT_LEAST_ONE: Range = { from: 1 };

/** 0 of a time-out switches it off, as in KubeVirt. A limit of 0 migrations would be a queue that never moves. */
const RANGES: Readonly<Record<string, Range>> = {
  parallelMigrationsPerCluster: AT_LEAST_ONE,
  parallelOutboundMigrationsPerNode: AT_LEAST_ONE,
  completionTimeoutPerGiB: NOT_NEGATIVE,
  progressTimeout: NOT_NEGATIVE,
  utilityVolumesTimeout: NOT_NEGATIVE,
  maxDowntimeMs: { from: 1, to: LONGEST_DOWNTIME_MS },
};
const TUNING_RANGES: Readonly<Record<string, Range>> = {
  initialMs: { from: 1, to: LONGEST_DOWNTIME_MS },
  steps: AT_LEAST_ONE,
  startAfterIteration: NOT_NEGATIVE,
  cooldownSeconds: NOT_NEGATIVE,
};
/** A label key: an optional DNS prefix and a name of at most 63 characters. */
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;

function rangeProblems(
  options: Readonly<Record<string, unknown>>,
  ranges: Readonly<Record<string, Range>>,
  root: string,
): FieldProblem[] {
  return Object.entries(ranges).flatMap(([key, { from, to }]) => {
    const value = options[key];
    if (typeof value !== 'number' || (value >= from && value <= (to ?? Infinity))) return [];
    const legal = to === undefined ? `${from} or more` : `between ${from} and ${to}`;
    return [{ field: `${root}.${key}`, message: `must be ${legal}, not ${value}` }];
  });
}

/** CRD schemas let in quantities only, but let be what was stored before. */
function bandwidthProblems(
  { bandwidthPerMigration: value }: Readonly<Record<string, unknown>>,
  root: string,
): FieldProblem[] {
  if (typeof value !== 'string' && typeof value !== 'number') return [];
  const field = `${root}.bandwidthPerMigration`;
  const amount = readQuantity(value);
  if (amount === undefined) return [{ field, message: `"${value}" is not a quantity such as 64Mi` }];
  return amount >= 0 ? [] : [{ field, message: `must not be negative, is ${value}; 0 is no limit` }];
}

function experimentalProblems({ experimental }: Readonly<Record<string, unknown>>, root: string): FieldProblem[] {
  if (!isObject(experimental)) return [];
  const { stallDetector, downtimeTuning } = experimental;
  const tuning = isObject(downtimeTuning)
    ? rangeProblems(downtimeTuning, TUNING_RANGES, `${root}.experimental.downtimeTuning`)
    : [];
  if (stallDetector === undefined || downtimeTuning === undefined) return tuning;
  return [
    ...tuning,
    {
      field: `${root}.experimental`,
      message: 'stallDetector and downtimeTuning are mutually exclusive: each has its own schedule of downtimes',
    },
  ];
}

/** What is wrong with the values of the options of migrations, in a KubeVirt object or a MigrationPolicy. */
export function migrationOptionProblems(options: unknown, root: string): FieldProblem[] {
  if (!isObject(options)) return [];
  const taintKey = options['nodeDrainTaintKey'];
  return [
    ...rangeProblems(options, RANGES, root),
    ...bandwidthProblems(options, root),
    ...experimentalProblems(options, root),
    ...(typeof taintKey === 'string' && !LABEL_KEY.test(taintKey)
      ? [
          {
            field: `${root}.nodeDrainTaintKey`,
            message: `"${taintKey}" is no key of a taint such as kubevirt.io/drain`,
          },
        ]
      : []),
  ];
}
