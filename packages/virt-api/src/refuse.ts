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

/** KubeVirt's webhooks answer 422 with one cause per field; so do we. */
export function invalid(message: string, problems: readonly FieldProblem[]): ApiError {
  const text = problems.map((problem) => `${problem.field}: ${problem.message}`).join('; ');
  return new ApiError(422, 'Invalid', `${message}: ${text}`, {
    causes: problems.map(({ field, message: why, reason }) => ({
      reason: reason ?? 'FieldValueInvalid',
      message: why,
      field,
    })),
  });
}

export function conflict(message: string): ApiError {
  return new ApiError(409, 'Conflict', message);
}

export function notFound(resource: string, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${resource} "${name}" not found`, { name, kind: resource });
}

export function notServed(what: string): ApiError {
  return new ApiError(404, 'NotFound', `${what} is not served by the local runtime`, {});
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function forbidden(message: string): ApiError {
  return new ApiError(403, 'Forbidden', message);
}

export function unavailable(message: string): ApiError {
  return new ApiError(503, 'ServiceUnavailable', message);
}
