import type { JsonSchema } from './types.ts';

const POSIX: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  upper: 'A-Z',
  space: '\\s',
  word: '\\w',
  xdigit: 'A-Fa-f0-9',
};

/** Compiles a Go (RE2) expression as CRDs write them; undefined when JavaScript has no equivalent. */
export function compilePattern(pattern: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const source = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => POSIX[name] ?? whole)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\\[Az]/g, (anchor) => (anchor === '\\A' ? '^' : '$'));
  // Go reads by code point; expressions that only fail on the strictness of the u flag are tried without it.
  for (const mode of ['u', '']) {
    try {
      return new RegExp(source, `${flags?.[1] ?? ''}${mode}`);
    } catch {
      continue;
    }
  }
  return undefined;
}

const compiled = new WeakMap<JsonSchema, RegExp | undefined>();

/** The compiled `pattern` of a schema node, kept as long as the node lives. */
export function patternOf(schema: JsonSchema): RegExp | undefined {
  if (schema.pattern === undefined) return undefined;
  if (!compiled.has(schema)) compiled.set(schema, compilePattern(schema.pattern));
  return compiled.get(schema);
}
