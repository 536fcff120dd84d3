import { expect, it } from 'vitest';
import { readOptions } from './options.ts';

it('a whole run writes the report, a part of it does not by itself', () => {
  expect(readOptions([])).toMatchObject({ runs: 5, diskMib: 4096, report: 'docs/benchmarks.md', only: [] });
  expect(readOptions(['--quick'])).toMatchObject({ runs: 3, quick: true, report: undefined });
  expect(readOptions(['--only', 'gap,memory', '--only', 'disk-10'])).toMatchObject({
    only: ['gap', 'memory', 'disk-10'],
    report: undefined,
  });
  expect(readOptions(['--disk-mib', '256']).report).toBeUndefined();
  expect(readOptions(['--quick', '--report', 'r.md']).report).toBe('r.md');
});

it.each([[['--runs', '0']], [['--runs', 'many']], [['--disk-mib', '1']], [['--fast']]])('%j is refused', (argv) => {
  expect(() => readOptions(argv)).toThrow(expect.objectContaining({ code: 'BENCH_USAGE' }));
});
