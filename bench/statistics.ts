/** Random numbers in [0, 1) that are the same for the same seed: a report can be made again from its samples. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Spread {
  readonly count: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Median distance from the median. */
  readonly deviation: number;
}

/** Undefined for no numbers. Outliers stay in: who moves a guest meets them too. */
export function spreadOf(numbers: readonly number[]): Spread | undefined {
  if (numbers.length === 0) return undefined;
  const middle = median(numbers);
  return {
    count: numbers.length,
    median: middle,
    min: Math.min(...numbers),
    max: Math.max(...numbers),
    deviation: median(numbers.map((number) => Math.abs(number - middle))),
  };
}

export type Statistic = 'median' | 'max';

const RESAMPLES = 10_000;
const SEED = 20_260_101;

function statisticOf(kind: Statistic, numbers: readonly number[]): number {
  return kind === 'median' ? median(numbers) : Math.max(...numbers);
}

export interface Estimate {
  readonly value: number;
  /** 95 % interval by bootstrap; from few samples it is as coarse as they are. */
  readonly low: number;
  readonly high: number;
}

function interval(value: number, resample: (random: () => number) => number): Estimate {
  const random = seededRandom(SEED);
  const drawn = Array.from({ length: RESAMPLES }, () => resample(random)).toSorted((a, b) => a - b);
  const at = (share: number): number => drawn[Math.floor(share * (RESAMPLES - 1))] ?? value;
  return { value, low: at(0.025), high: at(0.975) };
}

function draw(numbers: readonly number[], random: () => number): number[] {
  return numbers.map(() => numbers[Math.floor(random() * numbers.length)] ?? Number.NaN);
}

/** `over` divided by `under`, both by the same statistic; undefined without samples of both. */
export function ratioOf(kind: Statistic, over: readonly number[], under: readonly number[]): Estimate | undefined {
  if (over.length === 0 || under.length === 0) return undefined;
  const value = statisticOf(kind, over) / statisticOf(kind, under);
  return interval(value, (random) => statisticOf(kind, draw(over, random)) / statisticOf(kind, draw(under, random)));
}

export function estimateOf(kind: Statistic, numbers: readonly number[]): Estimate | undefined {
  if (numbers.length === 0) return undefined;
  return interval(statisticOf(kind, numbers), (random) => statisticOf(kind, draw(numbers, random)));
}
