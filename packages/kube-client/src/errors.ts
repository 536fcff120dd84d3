import type { Status } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { GodwitError } from '@godwit/core/errors';
import type { Retry } from '@godwit/core/errors';

export interface KubeApiErrorDetails {
  /** HTTP status. */
  readonly status: number;
  /** `meta/v1` Status reason such as `NotFound`; empty when the server gave none. */
  readonly reason: string;
  readonly method: string;
  readonly path: string;
  readonly body?: Status;
}

/** The server answered and refused. `retry` says whether the same request may succeed later. */
export class KubeApiError extends GodwitError<'KUBE_API', KubeApiErrorDetails> {
  constructor(message: string, details: KubeApiErrorDetails, retry: Retry) {
    super('KUBE_API', message, { details, retry });
    this.name = 'KubeApiError';
  }
}

/** No usable answer: connection refused, reset, timed out, or not HTTP. Whether a write was carried out is unknown. */
export class KubeUnreachableError extends GodwitError<'KUBE_UNREACHABLE', { method: string; path: string }> {
  constructor(message: string, details: { method: string; path: string }, cause?: unknown) {
    super('KUBE_UNREACHABLE', message, { details, retry: 'backoff', cause });
    this.name = 'KubeUnreachableError';
  }
}

/** Error of a refused request from its HTTP status, `Retry-After` seconds and body. */
export function apiError(
  method: string,
  path: string,
  status: number,
  retryAfterSeconds: number | undefined,
  body: unknown,
): KubeApiError {
  const parsed = isObject(body) && body['kind'] === 'Status' ? (body as unknown as Status) : undefined;
  const text = parsed?.message ?? (typeof body === 'string' && body !== '' ? body.slice(0, 300) : `HTTP ${status}`);
  const after = retryAfterSeconds ?? parsed?.details?.retryAfterSeconds;
  return new KubeApiError(
    `${method} ${path} was refused: ${text}`,
    { status, reason: parsed?.reason ?? '', method, path, ...(parsed ? { body: parsed } : {}) },
    retryOf(status, after),
  );
}

/** Requests that are wrong in themselves are never retried; races, overload and missing rights may pass with time. */
function retryOf(status: number, retryAfterSeconds: number | undefined): Retry {
  if (retryAfterSeconds !== undefined && retryAfterSeconds > 0) return { afterMs: retryAfterSeconds * 1000 };
  return status === 400 || status === 405 || status === 406 || status === 415 ? 'never' : 'backoff';
}

export function isKubeApiError(error: unknown): error is KubeApiError {
  return error instanceof KubeApiError;
}

export function isUnreachable(error: unknown): error is KubeUnreachableError {
  return error instanceof KubeUnreachableError;
}

export function isNotFound(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 404;
}

/** Somebody else wrote first: a stale resourceVersion (409 Conflict). */
export function isConflict(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 409 && error.details.reason !== 'AlreadyExists';
}

export function isAlreadyExists(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 409 && error.details.reason === 'AlreadyExists';
}

/** 422: the object is not valid, or the `test` of a JSON patch did not hold. */
export function isInvalid(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 422;
}

export function isForbidden(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 403;
}

/** The history asked for is gone (410): list again. */
export function isExpired(error: unknown): boolean {
  return isKubeApiError(error) && error.details.status === 410;
}
