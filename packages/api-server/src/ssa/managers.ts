import { isObject } from '@godwit/core/json';
import { rfc3339 } from '@godwit/core/clock';
import { fromFieldsV1, isEmpty, toFieldsV1 } from './fields.ts';
import type { Fields } from './fields.ts';

/** meta/v1 `ManagedFieldsEntry`. */
export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time: string;
  readonly fieldsType: 'FieldsV1';
  readonly fieldsV1: Record<string, unknown>;
  readonly subresource?: string;
}

export interface ManagerId {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** Empty for the main resource. */
  readonly subresource: string;
}

export interface Manager extends ManagerId {
  readonly time: string;
  readonly fields: Fields;
}

/** Reads `metadata.managedFields`; entries without manager, such as the `{}` that resets tracking, are left out. */
export function readManagers(entries: unknown): Manager[] {
  if (!Array.isArray(entries)) return [];
  return entries.filter(isObject).flatMap((entry): Manager[] => {
    const { manager, operation, apiVersion, time, subresource, fieldsV1 } = entry;
    if (typeof manager !== 'string' || typeof apiVersion !== 'string') return [];
    return [
      {
        manager,
        operation: operation === 'Apply' ? 'Apply' : 'Update',
        apiVersion,
        time: typeof time === 'string' ? time : rfc3339(0),
        subresource: typeof subresource === 'string' ? subresource : '',
        fields: fromFieldsV1(fieldsV1),
      },
    ];
  });
}

/** The wire form: applied entries first, older ones first within each; managers that own nothing are left out. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  const rank = (one: Manager): string => `${one.operation} ${one.time} ${one.manager}`;
  return managers
    .filter((one) => !isEmpty(one.fields))
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .map(({ manager, operation, apiVersion, time, subresource, fields }) => ({
      manager,
      operation,
      apiVersion,
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource !== '' && { subresource }),
    }));
}

export function isSameManager(a: ManagerId, b: ManagerId): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.apiVersion === b.apiVersion &&
    a.subresource === b.subresource
  );
}
