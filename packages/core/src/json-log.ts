import type { Logger } from './logger.ts';

/** Numbers of pino and bunyan, so that their viewers read these logs. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 } as const;

export type LogLevel = keyof typeof LEVELS;

export interface JsonLogOptions {
  /** On every line. */
  readonly fields: object;
  /** Lines below it are dropped; a name that is no level means `info`. */
  readonly level?: string | undefined;
  /** Takes one line with its newline. */
  readonly write: (line: string) => void;
  /** Epoch milliseconds; default: the system's clock. */
  readonly now?: () => number;
}

/**
 * One JSON object per line in the shape of pino's. Instead of pino, which holds 7 MB in each of a dozen processes for
 * features they have no use for. Never throws: fields that JSON cannot hold are left out and named.
 */
export function createJsonLog(options: JsonLogOptions): Logger {
  const { write, now = Date.now } = options;
  const threshold = options.level !== undefined && isLevel(options.level) ? LEVELS[options.level] : LEVELS.info;

  function logger(bound: object): Logger {
    const at =
      (level: number) =>
      (fields: object, message: string): void => {
        if (level >= threshold) write(`${line({ level, time: now(), ...bound, ...fields, msg: message })}\n`);
      };
    return {
      debug: at(LEVELS.debug),
      info: at(LEVELS.info),
      warn: at(LEVELS.warn),
      error: at(LEVELS.error),
      child: (fields) => logger({ ...bound, ...fields }),
    };
  }
  return logger(options.fields);
}

function isLevel(name: string): name is LogLevel {
  return Object.hasOwn(LEVELS, name);
}

/** Errors have no enumerable members: without this they would be logged as `{}`. */
function readable(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Error)) return value;
  return Object.assign({}, value, { type: value.name, message: value.message, stack: value.stack });
}

function line(content: Record<string, unknown>): string {
  try {
    return JSON.stringify(content, readable);
  } catch {
    const fits = Object.entries(content).filter(([, value]) => typeof value !== 'object' || value === null);
    const left = Object.keys(content).filter((key) => !fits.some(([name]) => name === key));
    return JSON.stringify({ ...Object.fromEntries(fits), unloggable: left }, readable);
  }
}
