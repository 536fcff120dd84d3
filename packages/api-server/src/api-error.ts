import { GodwitError } from '@godwit/core/errors';
import type { Status } from '@godwit/api';

export type StatusDetails = NonNullable<Status['details']>;

/** One reason why an object is invalid; `reason` is a `FieldValue…` word of apimachinery. */
export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface Refusal {
  /** HTTP code. */
  readonly code: number;
  /** A word of apimachinery such as `Conflict`; empty for none. */
  readonly reason: string;
  readonly message: string;
  readonly details?: StatusDetails | undefined;
  readonly continueToken?: string | undefined;
}

/**
 * A refusal as the client will see it: HTTP code, `reason` and `details` of a Kubernetes Status.
 * Anything else thrown while a request is served is a bug and becomes a 500.
 */
export class ApiError extends GodwitError<'API_REFUSED', { httpCode: number; reason: string }> {
  readonly httpCode: number;
  readonly reason: string;
  readonly statusDetails: StatusDetails | undefined;
  /** Answered in `metadata.continue`, for lists whose token expired. */
  readonly continueToken: string | undefined;

  constructor(refusal: Refusal) {
    super('API_REFUSED', refusal.message, { details: { httpCode: refusal.code, reason: refusal.reason } });
    this.name = 'ApiError';
    this.httpCode = refusal.code;
    this.reason = refusal.reason;
    this.statusDetails = refusal.details;
    this.continueToken = refusal.continueToken;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken === undefined ? {} : { continue: this.continueToken },
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.statusDetails ? { details: this.statusDetails } : {}),
      code: this.httpCode,
    };
  }
}

/** Short for `new ApiError` in the makers below. */
function refuse(code: number, reason: string, message: string, details?: StatusDetails): ApiError {
  return new ApiError({ code, reason, message, details });
}

interface Named {
  readonly group: string;
  readonly plural: string;
}

function about(resource: Named, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  };
}

/** `pods "a"` or `widgets.ex.io "a"`, as Kubernetes spells it in messages. */
export function qualifiedName(resource: Named, name: string): string {
  return `${resource.plural}${resource.group === '' ? '' : `.${resource.group}`} "${name}"`;
}

export function badRequest(message: string): ApiError {
  return refuse(400, 'BadRequest', message);
}

export function notFound(resource: Named, name: string): ApiError {
  return refuse(404, 'NotFound', `${qualifiedName(resource, name)} not found`, about(resource, name));
}

/** The path names no resource that is served. */
export function resourceNotFound(): ApiError {
  return refuse(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function alreadyExists(resource: Named, name: string, beingDeleted = false): ApiError {
  const prefix = beingDeleted ? 'object is being deleted: ' : '';
  return refuse(
    409,
    'AlreadyExists',
    `${prefix}${qualifiedName(resource, name)} already exists`,
    about(resource, name),
  );
}

export function conflict(resource: Named, name: string, why: string): ApiError {
  return refuse(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedName(resource, name)}: ${why}`,
    about(resource, name),
  );
}

export function forbidden(resource: Named, name: string, why: string, causes?: Cause[]): ApiError {
  return refuse(403, 'Forbidden', `${qualifiedName(resource, name)} is forbidden: ${why}`, {
    ...about(resource, name),
    ...(causes ? { causes } : {}),
  });
}

/** 422 with every cause listed; `kind` is the Kind, as validation errors name it. */
export function invalid(subject: { group: string; kind: string }, name: string, causes: readonly Cause[]): ApiError {
  const lines = causes.map((cause) => (cause.field === '' ? cause.message : `${cause.field}: ${cause.message}`));
  const text = lines.length === 1 ? (lines[0] ?? '') : `[${lines.join(', ')}]`;
  const qualified = `${subject.kind}${subject.group === '' ? '' : `.${subject.group}`}`;
  return refuse(422, 'Invalid', `${qualified} "${name}" is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.kind,
    causes: [...causes],
  });
}

/** Wrong `CreateOptions`, `ListOptions` and the like. */
export function invalidOptions(kind: string, cause: Cause): ApiError {
  return invalid({ group: 'meta.k8s.io', kind }, '', [cause]);
}

export function methodNotAllowed(verb: string): ApiError {
  return refuse(
    405,
    'MethodNotAllowed',
    `the server does not allow this method (${verb}) on the requested resource`,
    {},
  );
}

export function expired(message: string, continueToken?: string): ApiError {
  return new ApiError({ code: 410, reason: 'Expired', message, continueToken });
}

export function internalError(message: string): ApiError {
  return refuse(500, 'InternalError', `Internal error occurred: ${message}`, {
    causes: [{ reason: 'InternalError', message, field: '' }],
  });
}

/** A 500 without a reason, which Kubernetes answers to some malformed requests. */
export function unspecified(message: string): ApiError {
  return refuse(500, '', message);
}
