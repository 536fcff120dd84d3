import { layoutOf } from './layout.ts';
import { runSupervisor } from './supervisor.ts';

const [directory, sockets] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: supervisor-main DIRECTORY [SOCKETS]');
await runSupervisor(layoutOf(directory, sockets));
