import { setPriority } from 'node:os';
import { startRelay, type CarrierConfig, type Relay } from './relay.ts';

/**
 * The carrier process: moves the bytes of one side of one migration, nothing else. Reads one line of JSON (CarrierConfig)
 * from its standard input, says `listening`, `carried` (now and then, and at the end), `lost` and `problem` as lines of JSON
 * on its standard output, and ends when its standard input ends: an agent that dies takes its carriers along, which fails a
 * migration before the commit cleanly with the source running; after the commit no carrier is needed.
 */
const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const CARRIED_EVERY_MS = 250;

// Copying has time, guests and the agent have none: see yieldToGuests of the server.
setPriority(5);

let text = '';
let started = false;
let relayed: Relay | undefined;
const exit = (): void => {
  process.exitCode = 0;
  // oxlint-disable-next-line unicorn/no-process-exit -- open relays must not outlive the agent
  process.exit();
};
const end = (): void => {
  if (relayed === undefined) return exit();
  process.stdout.write(`${JSON.stringify({ type: 'carried', ...relayed.carried() })}\n`, exit);
};
process.stdout.on('error', exit);
process.stdin.on('end', end).on('error', end);
process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
  if (started) return;
  text += chunk;
  const newline = text.indexOf('\n');
  if (newline < 0) return;
  started = true;
  // The cast is safe: the agent that starts us wrote it (CarrierConfig).
  const config = JSON.parse(text.slice(0, newline)) as CarrierConfig;
  text = '';
  const problem = (reason: string): void => say({ type: 'problem', reason });
  startRelay(config, problem, (channel, reason) => say({ type: 'lost', channel, reason })).then(
    (relay) => {
      relayed = relay;
      say({ type: 'listening', ports: relay.ports });
      setInterval(() => say({ type: 'carried', ...relay.carried() }), CARRIED_EVERY_MS);
    },
    (error: unknown) => {
      say({ type: 'failed', reason: String(error) });
      process.exitCode = 1;
      process.stdin.destroy();
    },
  );
});
