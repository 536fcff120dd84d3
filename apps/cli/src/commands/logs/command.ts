import type { Command } from 'commander';
import { dirOption } from '../options.ts';

export function addLogs(program: Command): void {
  program
    .command('logs')
    .description('print the logs of the local clusters’ processes')
    .argument('[process]', 'such as alpha, alpha/controllers, beta/node-node1 or supervisor; default: all')
    .option('-f, --follow', 'go on printing', false)
    .addOption(dirOption())
    .action(async (name: string | undefined, options: { dir: string; follow: boolean }) => {
      const { runLogs } = await import('./run.ts');
      await runLogs(name, options);
    });
}
