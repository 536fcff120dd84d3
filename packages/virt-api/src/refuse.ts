import { ApiError } from '@godwit/api-server';

export interface FieldProblem {
  readonly field: string;
  readonly message: string;
  readonly reason?:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden';
}

/** Without those that the stored object has already: they do not stand in the way of other changes. Messages show values. */
export function newProblems(problems: readonly FieldProblem[], stored: readonly FieldProblem[]): FieldProblem[] {
  return problems.filter(
    ({ field, message }) => !stored.some((known) => known.field === field && known.message === message),
  );
}

/** KubeVirt's webhooks answer 422 with one cause per field; so do we, and clients that show causes only need kind and name. */
export function invalid(
  { kind, name }: { readonly kind: string; readonly name: string },
  problems: readonly FieldProblem[],
): ApiError {
  const text = problems.map((problem) => `${problem.field}: ${problem.message}`).join('; ');
  return new ApiError({
    code: 422,
    reason: 'Invalid',
    message: `${kind} "${name}" is invalid: ${text}`,
    details: {
      kind,
      name,
      causes: problems.map(({ field, message: why, reason }) => ({
        reason: reason ?? 'FieldValueInvalid',
        message: why,
        field,
      })),
    },
  });
}

export function conflict(message: string): ApiError {
  return new ApiError({ code: 409, reason: 'Conflict', message: message });
}

export function notFound(resource: string, name: string): ApiError {
  return new ApiError({
    code: 404,
    reason: 'NotFound',
    message: `${resource} "${name}" not found`,
    details: { name, kind: resource },
  });
}

export function notServed(what: string): ApiError {
  return new ApiError({
    code: 404,
    reason: 'NotFound',
    message: `${what} is not served by the local runtime`,
    details: {},
  });
}

export function badRequest(message: string): ApiError {
  return new ApiError({ code: 400, reason: 'BadRequest', message: message });
}

export function forbidden(message: string): ApiError {
  return new ApiError({ code: 403, reason: 'Forbidden', message: message });
}

export function unavailable(message: string): ApiError {
  return new ApiError({ code: 503, reason: 'ServiceUnavailable', message: message });
}

/** 429. `retryAfterSeconds` is for what passes by itself: clients then ask again without telling their user. */
export function tooManyRequests(message: string, retryAfterSeconds?: number): ApiError {
  return new ApiError({
    code: 429,
    reason: 'TooManyRequests',
    message,
    ...(retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } }),
  });
}
