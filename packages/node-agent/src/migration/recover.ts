import { systemClock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { MigrationIdentity } from '@godwit/migration-link';
import { machineOrEnd } from './target/end-hanging.ts';
import type { InPlaceContext } from './in-place/drive-in-place.ts';
import { recoverInPlace } from './in-place/in-place.ts';
import { listJournals, openJournal, type Journal, type JournalRole } from './journal.ts';
import { recoverSource } from './source/source.ts';
import type { SourceContext } from './source/source-context.ts';
import { recoverTarget } from './target/target.ts';
import type { TargetContext } from './target/target-context.ts';
import type { RecoverOptions, RunningMigration, SideStatus } from './types.ts';

/**
 * Takes up every migration that an earlier life of this agent left in the journal: one handle each, finished ones too,
 * until `forgetMigration`. What holds now is derived from the record and a look at QEMU, never from memory: before the
 * handover the source runs again and the target ends; after it the side that has the guest makes sure that it runs.
 * Rejects, after the others, when one cannot be taken up (its QEMU does not answer, its journal cannot be read), unless
 * `onProblem` takes care of it: left out it would pass for a migration that never began, and its guest might run here beside
 * the target's.
 */
export async function recoverMigrations(options: RecoverOptions): Promise<readonly RunningMigration[]> {
  const { journalDir, log } = options;
  const problems: unknown[] = [];
  const takeUp = async (journal: Journal): Promise<readonly RunningMigration[]> => {
    try {
      return [await recoverOne(journal, options)];
    } catch (error) {
      log.error({ journal: `${journal.role}-${journal.id}`, error: describeError(error) }, 'cannot recover migration');
      const { role, id } = journal;
      const isTaken = options.onProblem?.({ role, id, error, retry: () => recoverOne(journal, options) });
      if (isTaken !== true) problems.push(error);
      return [];
    }
  };
  // All at once: those that hang often hang together, and none may wait for the others.
  const found = await Promise.all((await listJournals(journalDir)).map(takeUp));
  if (problems.length > 0) throw problems[0];
  return found.flat();
}

async function recoverOne(journal: Journal, options: RecoverOptions): Promise<RunningMigration> {
  const { machineAt, log, clock = systemClock } = options;
  const context = await journal.readContext();
  if (!isContext(context))
    throw new GodwitError(
      'JOURNAL_UNREADABLE',
      `The journal ${journal.role}-${journal.id} says nothing of a migration`,
    );
  const { identity } = context;
  const onStatus = (status: SideStatus) => options.onStatus?.(identity, journal.role, status);
  const machine = await machineOrEnd(journal, () => machineAt(context.directory), log);
  const common = { journal, machine, log, clock, onStatus };
  const ask = options.renew;
  const renew = (role: 'source' | 'target') => ask && (() => ask(identity, role));
  const progressOf = (role: 'source' | 'in-place') => options.progressOf?.(identity, role);
  log.info({ migrationUID: identity.id, role: journal.role }, 'recovering migration');
  // The casts are safe: this code wrote the file of this role in one piece.
  switch (journal.role) {
    case 'source':
      return recoverSource({
        ...common,
        renew: renew('source'),
        progress: progressOf('source'),
        context: context as unknown as SourceContext,
      });
    case 'target':
      return recoverTarget({ ...common, renew: renew('target'), context: context as unknown as TargetContext });
    case 'in-place':
      return recoverInPlace({
        ...common,
        progress: progressOf('in-place'),
        context: context as unknown as InPlaceContext,
      });
  }
}

/** Removes the record of a finished migration, once the API objects show its outcome. Close its handle first. */
export async function forgetMigration(
  journalDir: string,
  identity: MigrationIdentity,
  role: JournalRole,
): Promise<void> {
  await openJournal(journalDir, identity.id, role).remove();
}

function isContext(value: unknown): value is { readonly identity: MigrationIdentity; readonly directory: string } {
  return isObject(value) && typeof value['directory'] === 'string' && isObject(value['identity']);
}
