import type { Command } from 'commander';
import { Option } from 'commander';
import { dirOption } from '../options.ts';

export interface ResolveOptions {
  readonly run?: 'source' | 'target';
  readonly namespace: string;
  readonly cluster?: string;
  readonly dir: string;
  readonly yes: boolean;
}

export function addResolve(program: Command): void {
  program
    .command('resolve')
    .description('decide which side runs a VM whose handover is undecided; without --run only says what is known')
    .argument('<vm>')
    .addOption(new Option('--run <side>', 'the side that is to run the guest').choices(['source', 'target']))
    .option('-n, --namespace <namespace>', 'namespace of the VM', 'default')
    .option('--cluster <name>', 'local cluster of that side; default: the one that has it')
    .option('--yes', 'the other side is fenced: its QEMU is certainly gone and never comes back', false)
    .addOption(dirOption())
    .action(async (vm: string, options: ResolveOptions) => {
      const { runResolve } = await import('./run.ts');
      await runResolve(vm, options);
    });
}
