import { isObject } from '@godwit/core/json';
import type { Question } from '../wire.ts';
import { GodwitError } from '@godwit/core/errors';
import type { Counterpart } from './verify.ts';
import type { DiskReport } from './result.ts';

/** What a target agent can be asked, as `verifyDisks` wants it. Ends with the link. */
export function remoteCounterpart(
  ask: (question: Question, timeoutMs: number) => Promise<unknown>,
  budgetMs: number,
): Counterpart {
  const reports = ask({ call: 'digests' }, budgetMs).then(readReports);
  reports.catch(() => undefined); // told to whoever waits for it
  return {
    reports: () => reports,
    async chunks(disk, from) {
      const answer = await ask({ call: 'chunks', disk, from }, budgetMs);
      if (typeof answer !== 'string') throw unusable();
      return Buffer.from(answer, 'hex');
    },
    // The target stops by itself once it hears that the migration is over.
    stop: async () => undefined,
  };
}

function readReports(value: unknown): readonly DiskReport[] {
  if (!Array.isArray(value) || !value.every(isReport)) throw unusable();
  return value;
}

function isReport(value: unknown): value is DiskReport {
  return (
    isObject(value) &&
    ['name', 'digest'].every((key) => typeof value[key] === 'string') &&
    ['bytes', 'bytesRead', 'milliseconds'].every((key) => typeof value[key] === 'number') &&
    typeof value['cached'] === 'boolean'
  );
}

const unusable = () =>
  new GodwitError('MIGRATION_VERIFICATION_FAILED', 'The target agent gives no digests of its disks');
