import type { Command } from 'commander';

export interface DemoOptions {
  readonly dir?: string;
  readonly keep: boolean;
  readonly json?: string;
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'boot a Linux guest under load, move it live to other storage, another node and another cluster, and prove that nothing was lost',
    )
    .option('--dir <directory>', 'where the clusters keep their data (default: a temporary directory)')
    .option('--keep', 'leave the clusters and the guest running afterwards', false)
    .option('--json <file>', 'write the report as JSON, too')
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import('./run.ts');
      process.exitCode = await runDemo(options);
    });
}
