import { runSupervisor } from './supervisor.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: supervisor-main DIRECTORY');
await runSupervisor(directory);
