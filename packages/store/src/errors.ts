import { GodwitError } from '@godwit/core/errors';

export type StoreErrorCode =
  | 'STORE_CONFLICT'
  | 'STORE_COMPACTED'
  | 'STORE_FUTURE_REVISION'
  | 'STORE_CLOSED'
  | 'STORE_FORMAT';

export class StoreError extends GodwitError<StoreErrorCode> {}

export function isStoreError(error: unknown, code: StoreErrorCode): error is StoreError {
  return error instanceof StoreError && error.code === code;
}
