import { expect } from 'vitest';

/** The Status of a request that was refused. */
export function status(code: number, reason: string): unknown {
  return expect.objectContaining({ kind: 'Status', status: 'Failure', code, reason });
}

/** Causes, one of which is this. */
export function cause(reason: string, field: string): unknown {
  return expect.arrayContaining([expect.objectContaining({ reason, field })]);
}
