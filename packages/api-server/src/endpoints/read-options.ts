import { ApiError, badRequest, invalidOptions, unspecified } from '../api-error.ts';
import type { Cause } from '../api-error.ts';
import { isTruthy } from '../http/request-info.ts';

export interface ContinueToken {
  readonly revision: number;
  readonly namespace: string;
  readonly name: string;
}

export interface ReadOptions {
  /** Absent: the latest state. 0: any state. */
  readonly revision: number | undefined;
  readonly exact: boolean;
  readonly limit: number | undefined;
  readonly after: ContinueToken | undefined;
  readonly timeoutMs: number | undefined;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

const MATCHES = ['Exact', 'NotOlderThan'];

export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify([token.revision, token.namespace, token.name])).toString('base64url');
}

function decodeContinue(text: string): ContinueToken {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    parsed = undefined;
  }
  const [revision, namespace, name] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
  if (typeof revision !== 'number' || typeof namespace !== 'string' || typeof name !== 'string') {
    throw badRequest('continue key is not valid');
  }
  return { revision, namespace, name };
}

function parseRevision(text: string): number | undefined {
  if (text === '') return undefined;
  if (!/^\d+$/.test(text))
    throw unspecified(`Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`);
  return Number(text);
}

function wrong(field: string, reason: Cause['reason'], message: string): ApiError {
  return invalidOptions('ListOptions', { reason, message, field });
}

/** Options of list and watch; the combinations Kubernetes refuses are refused here. */
export function parseReadOptions(query: URLSearchParams, isWatch: boolean): ReadOptions {
  const revision = parseRevision(query.get('resourceVersion') ?? '');
  const match = query.get('resourceVersionMatch') ?? '';
  const continueText = query.get('continue') ?? '';
  const initial = query.get('sendInitialEvents');
  const field = 'resourceVersionMatch';
  if (initial !== null && !isWatch)
    throw wrong('sendInitialEvents', 'FieldValueForbidden', 'Forbidden: only for watches');
  if (initial !== null && match !== 'NotOlderThan') {
    throw wrong(field, 'FieldValueForbidden', 'Forbidden: sendInitialEvents needs resourceVersionMatch=NotOlderThan');
  }
  if (match !== '' && initial === null) {
    if (isWatch) throw wrong(field, 'FieldValueForbidden', 'Forbidden: only with sendInitialEvents');
    if (revision === undefined) throw wrong(field, 'FieldValueForbidden', 'Forbidden: needs a resourceVersion');
    if (continueText !== '') throw wrong(field, 'FieldValueForbidden', 'Forbidden: not together with continue');
    if (match === 'Exact' && revision === 0)
      throw wrong(field, 'FieldValueForbidden', 'Forbidden: Exact needs a resourceVersion above 0');
  }
  if (match !== '' && !MATCHES.includes(match)) {
    throw wrong(
      field,
      'FieldValueNotSupported',
      `Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`,
    );
  }
  if (continueText !== '' && revision !== undefined && revision !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  const limitText = query.get('limit');
  if (limitText !== null && limitText !== '' && !/^-?\d+$/.test(limitText))
    throw badRequest(`limit "${limitText}" is not a number`);
  const limit = Number(limitText ?? 0);
  const timeout = Number(query.get('timeoutSeconds') ?? Number.NaN);
  return {
    revision,
    exact: match === 'Exact',
    limit: limit > 0 ? limit : undefined,
    after: continueText === '' ? undefined : decodeContinue(continueText),
    timeoutMs: timeout > 0 ? timeout * 1000 : undefined,
    bookmarks: isTruthy(query.get('allowWatchBookmarks')),
    sendInitialEvents: initial === null ? undefined : isTruthy(initial),
  };
}

/** A revision that has not happened yet. */
export function revisionTooLarge(asked: number, current: number): ApiError {
  const message = `Too large resource version: ${asked}, current: ${current}`;
  return new ApiError({
    code: 504,
    reason: 'Timeout',
    message,
    details: {
      retryAfterSeconds: 1,
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    },
  });
}
