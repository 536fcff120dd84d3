import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { lockNode } from '../../src/host/node-lock.ts';

// Holds the lock of the directory in its first argument until it is killed.
const signal = new AbortController().signal;
await lockNode(process.argv[2] ?? '', { signal, clock: systemClock, log: silentLogger });
process.stdout.write('locked\n');
process.stdin.resume();
