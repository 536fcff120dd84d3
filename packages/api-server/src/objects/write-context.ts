import type { UserInfo } from '../plugins.ts';

/** What a write carries besides the object. */
export interface WriteContext {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Who owns what the write changes, on objects that are tracked. */
  readonly manager: string;
  /** `asGiven`: those of the written object are final. `tracked`: they follow from what changes. */
  readonly managedFields: 'asGiven' | 'tracked';
  /** Collects what the client should be told. */
  readonly warnings: string[];
}

/** For the server's own writes, which nobody reads warnings of. */
export function internalContext(user: UserInfo): WriteContext {
  return {
    user,
    dryRun: false,
    fieldValidation: 'Ignore',
    manager: 'api-server',
    managedFields: 'tracked',
    warnings: [],
  };
}
