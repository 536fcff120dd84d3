import { isObject } from '@godwit/core/json';
import { badRequest, invalidOptions } from '../api-error.ts';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagation?: Propagation | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun: boolean;
}

const POLICIES: readonly Propagation[] = ['Background', 'Foreground', 'Orphan'];

/** `dryRun` of any options: absent, or exactly `All`. */
export function parseDryRun(values: readonly unknown[], optionsKind: string): boolean {
  const unknown = values.find((value) => value !== 'All');
  if (unknown === undefined) return values.length > 0;
  throw invalidOptions(optionsKind, {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(unknown)}: supported values: "All"`,
    field: 'dryRun',
  });
}

function propagationOf(policy: unknown, orphan: unknown): Propagation | undefined {
  if (policy !== undefined && orphan !== undefined) {
    throw invalidOptions('DeleteOptions', {
      reason: 'FieldValueInvalid',
      message: 'Invalid value: orphanDependents and deletionPropagation cannot be both set',
      field: 'propagationPolicy',
    });
  }
  if (orphan !== undefined) return orphan === true || orphan === 'true' ? 'Orphan' : 'Background';
  if (policy === undefined) return undefined;
  const known = POLICIES.find((one) => one === policy);
  if (known !== undefined) return known;
  throw invalidOptions('DeleteOptions', {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Background", "Foreground", "Orphan"`,
    field: 'propagationPolicy',
  });
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Delete options from the body if there is one, else from the query. */
export function parseDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  if (body === undefined || (isObject(body) && Object.keys(body).length === 0)) {
    const grace = query.get('gracePeriodSeconds');
    return {
      gracePeriodSeconds: grace === null ? undefined : Number(grace),
      propagation: propagationOf(
        query.get('propagationPolicy') ?? undefined,
        query.get('orphanDependents') ?? undefined,
      ),
      dryRun: parseDryRun(query.getAll('dryRun'), 'DeleteOptions'),
    };
  }
  if (!isObject(body)) throw badRequest('DeleteOptions must be an object');
  if (body['kind'] !== undefined && body['kind'] !== '' && body['kind'] !== 'DeleteOptions') {
    throw badRequest(`DeleteOptions are needed, not ${JSON.stringify(body['kind'])}`);
  }
  const preconditions = isObject(body['preconditions']) ? body['preconditions'] : {};
  const grace = body['gracePeriodSeconds'];
  const dryRun = Array.isArray(body['dryRun']) ? body['dryRun'] : [];
  return {
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    propagation: propagationOf(body['propagationPolicy'] ?? undefined, body['orphanDependents'] ?? undefined),
    uid: textOr(preconditions['uid']),
    resourceVersion: textOr(preconditions['resourceVersion']),
    dryRun: parseDryRun(dryRun.length > 0 ? dryRun : query.getAll('dryRun'), 'DeleteOptions'),
  };
}
