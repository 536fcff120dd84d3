import { GodwitError } from '@godwit/core/errors';

/** An applied object that cannot be merged: it has fields its schema lacks, or two list items with the same key. */
export class ApplyError extends GodwitError<'APPLY_INVALID'> {
  constructor(message: string) {
    super('APPLY_INVALID', message);
    this.name = 'ApplyError';
  }
}
