/** Longer runs of digits may be integers that a double cannot hold. */
const LONG_INTEGER = /\d{16}/;
const INTEGER = /^-?\d+$/;

// The types that TypeScript ships do not have these parts of ECMAScript yet; Node does.
interface SourceText {
  readonly source?: string;
}
const json = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: SourceText) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** `JSON.parse` that keeps integers beyond 2^53 as `bigint`. Costs nothing where there are none. */
export function parseJson(text: string): unknown {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  return json.parse(text, (_key, value, { source = '' }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && INTEGER.test(source) ? BigInt(source) : value,
  );
}

/** `JSON.stringify` of what `parseJson` returned. */
export function stringifyJson(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(
      value,
      (_key, member: unknown) => (typeof member === 'bigint' ? json.rawJSON(String(member)) : member),
      indent,
    );
  }
}
