import { invalidOptions } from '../api-error.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseDryRun } from '../objects/delete-options.ts';
import type { WriteContext } from '../objects/write-context.ts';

const VALIDATIONS = ['Strict', 'Warn', 'Ignore'] as const;

/** `optionsKind`: `CreateOptions`, `UpdateOptions` or `PatchOptions`, for error messages. */
export function parseWriteContext(exchange: Exchange, optionsKind: string): WriteContext {
  const { query, user, warnings } = exchange;
  const dryRun = parseDryRun(
    query.getAll('dryRun').filter((value) => value !== ''),
    optionsKind,
  );
  const asked = query.get('fieldValidation') ?? '';
  const fieldValidation = asked === '' ? 'Warn' : VALIDATIONS.find((one) => one === asked);
  if (fieldValidation === undefined) {
    throw invalidOptions(optionsKind, {
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: "${asked}": supported values: "Ignore", "Strict", "Warn"`,
      field: 'fieldValidation',
    });
  }
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > 128) {
    const message = 'Too long: may not be more than 128 bytes';
    throw invalidOptions(optionsKind, { reason: 'FieldValueTooLong', message, field: 'fieldManager' });
  }
  if (/[^ -~]/.test(manager)) {
    const message = `Invalid value: ${JSON.stringify(manager)}: should only contain printable characters`;
    throw invalidOptions(optionsKind, { reason: 'FieldValueInvalid', message, field: 'fieldManager' });
  }
  return {
    user,
    dryRun,
    fieldValidation,
    manager: manager || managerOf(exchange.header('user-agent')),
    managedFields: 'tracked',
    warnings,
  };
}

/** Clients that name no manager are known by the first word of their User-Agent. */
function managerOf(userAgent = ''): string {
  return (userAgent.split('/')[0] ?? '').replaceAll(/[^ -~]/g, '').slice(0, 128) || 'unknown';
}
