import type { Command } from 'commander';
import { dirOption, names, wholeNumber } from '../options.ts';

export function addUp(program: Command): void {
  program
    .command('up')
    .description('start local clusters and wait until they are ready')
    .option('--clusters <names>', 'clusters, separated by commas', names, ['alpha'])
    .option('--nodes <count>', 'nodes of each cluster (default: as many as it has, 2 in a new one)', wholeNumber)
    .option('--detach', 'return when the clusters are ready instead of staying until Ctrl-C', false)
    .addOption(dirOption())
    .action(async (options: { clusters: string[]; nodes?: number; detach: boolean; dir: string }) => {
      const { runUp } = await import('./run.ts');
      await runUp(options);
    });
}
