import { systemClock, type Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { recoverTargetHandover, targetWaiting } from '@godwit/migration';
import { findGuest } from './arrival.ts';
import { driveTarget } from './drive-target.ts';
import type { Renew } from '../fresh-credentials.ts';
import { openJournal, type Journal } from '../journal.ts';
import { readTargetRecord, type TargetContext } from './target-context.ts';
import type { SideStatus, TargetMigration, TargetOptions } from '../types.ts';

/** Waits for a guest to arrive. Nothing of it executes here before the commit is on disk. */
export function startTarget(options: TargetOptions): TargetMigration {
  const { identity, directory, credentials, journalDir } = options;
  const journal = openJournal(journalDir, identity.id, 'target');
  return driveTarget({
    context: {
      identity,
      directory,
      host: options.host ?? '127.0.0.1',
      controlPort: 0,
      credentials,
      plain: options.configuration.disableTLS === true,
    },
    journal,
    machine: undefined,
    live: options,
    renew: options.renew,
    begin: async () => ({ next: targetWaiting, effects: [] }),
    log: options.log,
    clock: options.clock ?? systemClock,
    onStatus: options.onStatus,
  });
}

/** Continues after a restart of the agent. `machine` is undefined when its QEMU is gone. */
export function recoverTarget(options: {
  readonly context: TargetContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly renew: Renew | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
}): TargetMigration {
  const { journal, machine } = options;
  return driveTarget({
    ...options,
    live: undefined,
    begin: async () => {
      // Without a record no hello was answered: the source has nothing to expect from us.
      const record = readTargetRecord(await journal.readRecord()) ?? { record: 'started', epoch: 0 };
      const { prepared } = options.context;
      return recoverTargetHandover(
        record,
        machine === undefined ? { guest: 'gone' } : await findGuest(machine, prepared?.postCopy === true),
      );
    },
  });
}
