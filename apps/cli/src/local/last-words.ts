import { isObject } from '@godwit/core/json';

/** What a daemon's log ends with: its last error, be it a line of JSON or what Node prints of an error that nobody caught. */
export function lastWords(log: string): string {
  const lines = log.trimEnd().split('\n').slice(-200).toReversed();
  for (const line of lines) {
    const logged = parse(line);
    if (logged === undefined ? /^\s*\w*Error\b/.test(line) : isError(logged))
      return logged ? describe(logged) : line.trim();
  }
  return lines[0]?.trim() ?? '';
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isError = ({ level }: Record<string, unknown>): boolean =>
  (typeof level === 'number' && level >= 50) || level === 'error' || level === 'fatal';

function describe({ msg, error, err }: Record<string, unknown>): string {
  const why = isObject(error) ? error['message'] : (error ?? (isObject(err) ? err['message'] : err));
  return [msg, why].filter((part) => typeof part === 'string' && part !== '').join(': ');
}
