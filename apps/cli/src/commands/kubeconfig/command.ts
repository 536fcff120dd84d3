import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { GodwitError } from '@godwit/core/errors';
import { layoutOf } from '../../local/layout.ts';
import { print } from '../../output.ts';
import { dirOption } from '../options.ts';

export function addKubeconfig(program: Command): void {
  program
    .command('kubeconfig')
    .description('print the path of a kubeconfig with one administrator context per cluster')
    .addOption(dirOption())
    .action((options: { dir: string }) => {
      const { kubeconfig, root } = layoutOf(options.dir);
      if (!existsSync(kubeconfig))
        throw new GodwitError('LOCAL_MISSING', `There are no clusters in ${root}; "godwit up" makes them`);
      print(kubeconfig);
    });
}
