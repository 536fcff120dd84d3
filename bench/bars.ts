import type { Figure, Operation, Sample } from './samples.ts';
import { values } from './samples.ts';
import { estimateOf, ratioOf } from './statistics.ts';
import type { Estimate, Statistic } from './statistics.ts';

interface Operand {
  readonly operation: Operation;
  readonly figure: Figure;
}

/** One promise: a ratio of two statistics of the same case, or one statistic, against a bound. */
export interface Bar {
  readonly case: string;
  readonly promise: string;
  readonly statistic: Statistic;
  readonly over: Operand;
  /** Absent: `over` itself is judged. */
  readonly under?: Operand;
  readonly bound: { readonly atLeast: number } | { readonly atMost: number };
}

export interface Verdict {
  readonly bar: Bar;
  readonly estimate?: Estimate;
  /** `unmeasured`: there are no samples that count. */
  readonly verdict: 'met' | 'missed' | 'unmeasured';
  /** The whole interval lies on the verdict's side of the bound. */
  readonly sure: boolean;
}

export function judge(bar: Bar, samples: readonly Sample[]): Verdict {
  const of = (operand: Operand): number[] => values(samples, { case: bar.case, ...operand });
  const estimate =
    bar.under === undefined
      ? estimateOf(bar.statistic, of(bar.over))
      : ratioOf(bar.statistic, of(bar.over), of(bar.under));
  if (estimate === undefined) return { bar, verdict: 'unmeasured', sure: false };
  const { bound } = bar;
  const holds = (number: number): boolean => ('atLeast' in bound ? number >= bound.atLeast : number <= bound.atMost);
  const met = holds(estimate.value);
  const sure = holds(estimate.low) === met && holds(estimate.high) === met;
  return { bar, estimate, verdict: met ? 'met' : 'missed', sure };
}

const total = (operation: Operation): Operand => ({ operation, figure: 'totalMs' });
const faster = (name: string, promise: string, ours: Operation, theirs: Operation, factor: number): Bar => ({
  case: name,
  promise,
  statistic: 'median',
  over: total(theirs),
  under: total(ours),
  bound: { atLeast: factor },
});
const within = (name: string, promise: string, ours: Operand, theirs: Operand, factor: number): Bar => ({
  case: name,
  promise,
  statistic: 'median',
  over: ours,
  under: theirs,
  bound: { atMost: factor },
});
const atMost = (name: string, promise: string, statistic: Statistic, over: Operand, bound: number): Bar => ({
  case: name,
  promise,
  statistic,
  over,
  bound: { atMost: bound },
});

const speedups = { 10: { tls: 2, plain: 2.5 }, 50: { tls: 1.3, plain: 2.8 }, 100: { tls: 1.15, plain: 2.2 } } as const;

function diskBars(fill: keyof typeof speedups, load: 'idle' | 'writing'): Bar[] {
  const name = `disk-${fill}-${load}`;
  const { tls, plain } = speedups[fill];
  const allocated = (operation: Operation): Bar =>
    atMost(name, 'bytes allocated on the target, of the source', 'max', { operation, figure: 'allocation' }, 1.02);
  return [
    faster(name, 'as fast as virsh --copy-storage-all, both with TLS', 'godwit-tls', 'virsh-tls', tls),
    faster(name, 'as fast as virsh --copy-storage-all, both without TLS', 'godwit-plain', 'virsh-plain', plain),
    ...(fill === 50
      ? []
      : [
          faster(
            name,
            'as fast in place as virsh blockcopy',
            'godwit-in-place',
            'virsh-blockcopy',
            fill === 100 ? 1 : 1.3,
          ),
        ]),
    ...(fill === 100
      ? [within(name, 'in place, of qemu-img convert', total('godwit-in-place'), total('qemu-img'), 1.15)]
      : []),
    ...(load === 'writing'
      ? [
          {
            ...within(
              name,
              "longest stall of the guest's writes in place, of blockcopy's",
              { operation: 'godwit-in-place', figure: 'writeGapMs' },
              { operation: 'virsh-blockcopy', figure: 'writeGapMs' },
              1,
            ),
            statistic: 'max' as const,
          },
        ]
      : []),
    ...(load === 'idle' || fill === 10
      ? [
          within(
            name,
            'until the guest runs there, of the bare QMP sequence',
            { operation: 'godwit-tls', figure: 'runsMs' },
            { operation: 'raw-tls', figure: 'runsMs' },
            1.05,
          ),
        ]
      : []),
    atMost(
      name,
      'ms from the request to the first byte',
      'median',
      { operation: 'godwit-tls', figure: 'firstByteMs' },
      500,
    ),
    allocated('godwit-tls'),
    allocated('godwit-in-place'),
  ];
}

const switchGap: Operand = { operation: 'godwit-tls', figure: 'switchGapMs' };
const gap = (operation: Operation): Operand => ({ operation, figure: 'gapMs' });

/** What is promised, in the order of the report. */
export const bars: readonly Bar[] = [
  ...([10, 50, 100] as const).flatMap((fill) => (['idle', 'writing'] as const).flatMap((load) => diskBars(fill, load))),
  atMost('gap', 'ms that a lightly loaded guest is not heard at the switchover, median', 'median', switchGap, 60),
  atMost('gap', 'ms that it is not heard at the switchover, worst', 'max', switchGap, 160),
  within('gap', "gap at the switchover, of virsh's longest", switchGap, gap('virsh-tls'), 1 / 3),
  atMost('gap', 'ms that it is not heard in the whole move, median', 'median', gap('godwit-tls'), 60),
  atMost('gap', 'ms that it is not heard in the whole move, worst', 'max', gap('godwit-tls'), 160),
  within('gap', "longest gap of the whole move, of virsh's", gap('godwit-tls'), gap('virsh-tls'), 1 / 3),
  atMost('dirty-400', 'ms to the end while the guest dirties 400 MiB/s', 'max', total('godwit-tls'), 10_000),
  atMost('dirty-400', 'ms that it is not heard', 'max', gap('godwit-tls'), 600),
];
