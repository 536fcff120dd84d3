import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GodwitError, describeError } from '@godwit/core/errors';
import { createJsonLog } from '@godwit/core/json-log';
import type { Logger } from '@godwit/core/logger';

/** Parsed contents of the file that `--config` names. Throws `CONFIG_MISSING` or `CONFIG_UNREADABLE`. */
export function readConfig<T>(): T {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined)
    throw new GodwitError('CONFIG_MISSING', 'Give the configuration file with --config FILE');
  try {
    return JSON.parse(readFileSync(values.config, 'utf8')) as T;
  } catch (cause) {
    throw new GodwitError('CONFIG_UNREADABLE', `The configuration file ${values.config} cannot be read`, { cause });
  }
}

/** JSON lines on standard output, each with the given fields. */
export function processLog(fields: object): Logger {
  return createJsonLog({ fields, level: process.env['GODWIT_LOG'], write: (line) => process.stdout.write(line) });
}

/** Runs `stop` once at SIGTERM or SIGINT; the process then ends by itself, or after 10 s by force. */
export function runUntilSignalled(log: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const quit = (name: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal: name }, 'stopping');
    // oxlint-disable-next-line unicorn/no-process-exit -- last resort behind an orderly stop
    setTimeout(() => process.exit(1), 10_000).unref();
    stop().then(
      // oxlint-disable-next-line unicorn/no-process-exit -- sockets that clients keep open must not delay the end
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: describeError(error) }, 'stop failed');
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGTERM', quit);
  process.on('SIGINT', quit);
}
