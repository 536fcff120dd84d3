import type { UserInfo } from '../plugins.ts';

/** What a write carries besides the object. */
export interface WriteContext {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Collects what the client should be told. */
  readonly warnings: string[];
}

/** For the server's own writes, which nobody reads warnings of. */
export function internalContext(user: UserInfo): WriteContext {
  return { user, dryRun: false, fieldValidation: 'Ignore', warnings: [] };
}
