/** What a caller may do about an error: never try again, try again with back-off, or after a known time. */
export type Retry = 'never' | 'backoff' | { readonly afterMs: number };

/**
 * Base of every error Godwit throws.
 * `code` is a stable upper-case literal; `details` carries what a log or a condition needs; the message says in one
 * sentence what failed on which object, without repeating its cause.
 */
export class GodwitError<Code extends string = string, Details extends object = object> extends Error {
  readonly code: Code;
  readonly details: Details;
  readonly retry: Retry;

  constructor(code: Code, message: string, options: { details?: Details; retry?: Retry; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GodwitError';
    this.code = code;
    // The cast is safe: callers that omit details use the default `object`.
    this.details = options.details ?? ({} as Details);
    this.retry = options.retry ?? 'never';
  }
}

export function isGodwitError<Code extends string>(error: unknown, code?: Code): error is GodwitError<Code> {
  return error instanceof GodwitError && (code === undefined || error.code === code);
}

/** Message of anything thrown, with the messages of its causes joined by `: `. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`;
}
