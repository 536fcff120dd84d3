import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { END, KEEP, WATCH } from './carrier-words.ts';
import { startRelay, type CarrierConfig, type Relay } from './relay.ts';
import type { LinkCredentials } from './tls-options.ts';
import { createSilenceWatch, LOOK_MS } from './watch-silence.ts';

/**
 * The carrier process: moves the bytes of one side of one migration, nothing else. Reads one line of JSON (CarrierConfig)
 * from its standard input, and later others with new credentials; says `listening`, `reached`, `carried` (now and then, and at
 * the end), `lost` and `problem` as lines of JSON on its standard output, and ends when its standard input ends: an agent that
 * dies takes its carriers along, which fails a migration before the commit cleanly with the source running; after the commit
 * no carrier is needed. Except in post-copy: once it is told to `keep` on, it outlives its agent until the memory connection
 * is over, or a line says `end`. Told to `watch` it breaks a memory connection on which nothing comes, agent or no agent.
 */
const say = (line: object): void => {
  if (alone) return;
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const CARRIED_EVERY_MS = 250;

// Copying has time, guests and the agent have none: see yieldToGuests of the server.
setPriority(5);

let started = false;
let relayed: Relay | undefined;
let kept = false;
let alone = false;
const exit = (): void => {
  process.exitCode = 0;
  // oxlint-disable-next-line unicorn/no-process-exit -- open relays must not outlive the agent
  process.exit();
};
/** The agent is gone, or lets go. */
const leave = (): void => {
  if (!kept || relayed === undefined) return end();
  alone = true;
  void relayed.memoryOver().then(exit);
};
const end = (): void => {
  if (relayed === undefined) return exit();
  process.stdout.write(`${JSON.stringify({ type: 'carried', ...relayed.carried() })}\n`, exit);
};
let watching: NodeJS.Timeout | undefined;
const watch = (relay: Relay, seconds: number): void => {
  const isSilent = createSilenceWatch((seconds * 1000) / LOOK_MS);
  clearInterval(watching);
  watching = setInterval(() => {
    if (!isSilent(relay.memoryInUse() ? relay.carried().memory : undefined)) return;
    say({ type: 'problem', reason: `No memory has come for ${seconds} s` });
    relay.breakMemory();
  }, LOOK_MS);
};
process.stdout.on('error', () => (kept ? leave() : exit()));
process.stdin.on('end', leave).on('error', leave);
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === KEEP) kept = true;
  if (line === END) end();
  if (line.startsWith(WATCH) && relayed !== undefined) watch(relayed, Number(line.slice(WATCH.length)));
  // The cast is safe: the agent that starts us wrote it.
  if (started && line.startsWith('{')) relayed?.renew(JSON.parse(line) as LinkCredentials);
  if (started) return;
  started = true;
  // The cast is safe: the agent that starts us wrote it (CarrierConfig).
  const config = JSON.parse(line) as CarrierConfig;
  const problem = (reason: string): void => say({ type: 'problem', reason });
  startRelay(config, problem, (channel, reason) => say({ type: 'lost', channel, reason })).then(
    (relay) => {
      relayed = relay;
      say({ type: 'listening', ports: relay.ports });
      void relay.ahead.then(() => say({ type: 'reached' }));
      setInterval(() => say({ type: 'carried', ...relay.carried() }), CARRIED_EVERY_MS);
    },
    (error: unknown) => {
      say({ type: 'failed', reason: String(error) });
      process.exitCode = 1;
      process.stdin.destroy();
    },
  );
});
