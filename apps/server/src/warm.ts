// Loads all that the daemons load and ends: the compile cache is full afterwards. The programs themselves
// refuse to run without a configuration, after everything they import has been compiled.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

async function load(program: () => Promise<unknown>, refusal: string): Promise<void> {
  await program().catch((error: unknown) => {
    if (!(error instanceof Error && error.message.includes(refusal))) throw error;
  });
}

// A carrier ends when its standard input ends, and takes the process that it runs in along. It has other Node options,
// and what they compile is cached apart.
const { carrierArguments } = await import('@godwit/migration-link');
const carrier = new URL('carrier-main.ts', import.meta.resolve('@godwit/migration-link'));
spawn(process.execPath, [...carrierArguments, fileURLToPath(carrier)], { stdio: 'ignore' });
await load(() => import('../../cli/src/local/supervisor-main.ts'), 'usage');
await load(() => import('./api-server.ts'), '--config');
await load(() => import('./controllers.ts'), '--config');
await load(() => import('./node-agent.ts'), '--config');
// What they load on first use.
await Promise.all([import('yaml'), import('@grpc/grpc-js'), import('ws')]);
