import type { Command } from 'commander';
import { Option } from 'commander';
import { dirOption } from '../options.ts';

export function addStatus(program: Command): void {
  program
    .command('status')
    .description(
      'show the processes of the local clusters; exit status 1 when one is missing or a cluster is not ready',
    )
    .addOption(dirOption())
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .action(async (options: { dir: string; output: 'table' | 'json' }) => {
      const { runStatus } = await import('./run.ts');
      await runStatus(options);
    });
}
