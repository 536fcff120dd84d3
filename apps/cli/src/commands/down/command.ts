import type { Command } from 'commander';
import { print } from '../../output.ts';
import { dirOption } from '../options.ts';

export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop the local clusters and their guests; their data stays')
    .option('--purge', 'remove all data as well', false)
    .addOption(dirOption())
    .action(async (options: { dir: string; purge: boolean }) => {
      const { down } = await import('../../local/lifecycle.ts');
      await down(options.dir, options.purge);
      print(
        options.purge
          ? `Nothing runs in ${options.dir}; its data is removed.`
          : `Nothing runs in ${options.dir} any more.`,
      );
    });
}
