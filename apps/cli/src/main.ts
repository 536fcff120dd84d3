import { Command } from 'commander';
import { GodwitError, describeError } from '@godwit/core/errors';
import { addConsole } from './commands/console/command.ts';
import { addDemo } from './commands/demo/command.ts';
import { addDown } from './commands/down/command.ts';
import { addImageCommands } from './commands/image/command.ts';
import { addKubeconfig } from './commands/kubeconfig/command.ts';
import { addLogs } from './commands/logs/command.ts';
import { addResolve } from './commands/resolve/command.ts';
import { addStatus } from './commands/status/command.ts';
import { addUp } from './commands/up/command.ts';
import { addUpload } from './commands/upload/command.ts';
import { printError } from './output.ts';

/** As in package.json. */
const VERSION = '0.1.0';

const program = new Command('godwit')
  .description('Moves running virtual machines without stopping them.')
  .version(VERSION)
  .showHelpAfterError('(--help shows the options)');
for (const add of [
  addUp,
  addDown,
  addDemo,
  addStatus,
  addKubeconfig,
  addLogs,
  addImageCommands,
  addUpload,
  addConsole,
  addResolve,
])
  add(program);

// Who reads us, `head` say, may have had enough; the work goes on, its words go nowhere.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  await program.parseAsync();
} catch (error) {
  // Expected failures, and those of files and sockets, are one line; anything else is a defect and keeps its stack.
  const isExpected = error instanceof GodwitError || (error instanceof Error && 'syscall' in error);
  printError(isExpected ? `godwit: ${describeError(error)}` : String(error instanceof Error ? error.stack : error));
  process.exitCode = 1;
}
