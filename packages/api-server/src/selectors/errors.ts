import { GodwitError } from '@godwit/core/errors';

/** A label or field selector that cannot be read, or asks for a key that is not selectable. The API answers 400. */
export class SelectorError extends GodwitError<'SELECTOR_INVALID'> {
  constructor(message: string) {
    super('SELECTOR_INVALID', message);
    this.name = 'SelectorError';
  }
}
