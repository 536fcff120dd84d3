import { parseArgs } from 'node:util';
import { GodwitError } from '@godwit/core/errors';
import type { PlanOptions } from './plan.ts';

export interface BenchOptions extends PlanOptions {
  /** Where disks and machines live while it runs; must be on the disk to be measured. */
  readonly directory: string | undefined;
  readonly keep: boolean;
  readonly help: boolean;
  readonly diskMib: number;
  /** Where the report goes; undefined: only the results are written. */
  readonly report: string | undefined;
  readonly results: string;
  /** Keeps the samples that the results file has already, as if they were of this run. */
  readonly append: boolean;
  /** Measures nothing: only makes the report from the results file. */
  readonly render: boolean;
}

export const usage = `npm run bench -- [options]

  --only CASE     one case, or all that begin so; may be given again and with commas
  --by OPERATION  only these, or all that begin so: godwit-tls, virsh-tls, raw-tls …
  --runs N        rounds of every case (default 5, with --quick 3)
  --quick         the 10 % disk with a writing guest, the gap and the hard memory case only, without warming up
  --dir DIR       where disks and machines live meanwhile (default: TMPDIR); a directory of its own is made there
  --results FILE  where the samples go (default: bench-results.json in the working directory)
  --append        adds to the samples that are there, to measure case by case
  --render        measures nothing, makes the report from the samples that are there
  --report FILE   where the report goes (default: docs/benchmarks.md, unless it was a part only: --quick, --only)
  --disk-mib N    size of the disk (default 4096; others say nothing about the promises)
  --keep          leave the directory
  --help

Exit status: 0 measured everything, 1 failed, 2 could not measure everything (what is missing is printed).
`;

/** Throws BENCH_USAGE. */
export function readOptions(argv: readonly string[]): BenchOptions {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string', multiple: true },
        by: { type: 'string', multiple: true },
        runs: { type: 'string' },
        quick: { type: 'boolean', default: false },
        dir: { type: 'string' },
        results: { type: 'string', default: 'bench-results.json' },
        append: { type: 'boolean', default: false },
        render: { type: 'boolean', default: false },
        report: { type: 'string' },
        'disk-mib': { type: 'string', default: '4096' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    throw new GodwitError('BENCH_USAGE', cause instanceof Error ? cause.message : String(cause));
  }
  const { quick } = parsed;
  const list = (given: readonly string[] = []): string[] =>
    given.flatMap((text) => text.split(',')).filter((text) => text !== '');
  const [only, by] = [list(parsed.only), list(parsed.by)];
  const whole = !quick && only.length === 0 && by.length === 0 && parsed['disk-mib'] === '4096';
  return {
    only,
    by,
    quick,
    runs: wholeNumber('--runs', parsed.runs ?? (quick ? '3' : '5'), 1, 1000),
    diskMib: wholeNumber('--disk-mib', parsed['disk-mib'], 64, 1 << 20),
    directory: parsed.dir,
    keep: parsed.keep,
    help: parsed.help,
    results: parsed.results,
    append: parsed.append,
    render: parsed.render,
    report: parsed.report ?? (whole ? 'docs/benchmarks.md' : undefined),
  };
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most)
    throw new GodwitError('BENCH_USAGE', `${name} must be a whole number from ${least} to ${most}`);
  return number;
}
