import type { Command } from 'commander';
import { Option } from 'commander';
import { dirOption } from '../options.ts';

export function addConsole(program: Command): void {
  program
    .command('console')
    .description('connect to the serial console of a running VM; leave with Ctrl-]')
    .argument('<vm>')
    .option('-n, --namespace <namespace>', 'namespace of the VM', 'default')
    .addOption(new Option('--cluster <name>', 'local cluster; default: the first one'))
    .addOption(dirOption())
    .action(async (vm: string, options: { namespace: string; cluster?: string; dir: string }) => {
      const { runConsole } = await import('./run.ts');
      await runConsole(vm, options);
    });
}
