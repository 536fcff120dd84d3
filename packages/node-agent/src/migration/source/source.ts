import { systemClock, type Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { recoverSourceHandover, startSourceHandover } from '@godwit/migration';
import { driveSource } from './drive-source.ts';
import type { Renew } from '../fresh-credentials.ts';
import { openJournal, type Journal } from '../journal.ts';
import type { SourceContext } from './source-context.ts';
import type { ProgressKeeper } from '../tell-progress.ts';
import type { SideStatus, SourceMigration, SourceOptions } from '../types.ts';

/** Moves the running guest of `options.machine` to the target. See `SourceMigration` for what holds after each outcome. */
export function startSource(options: SourceOptions): SourceMigration {
  const { identity, machine, copyDisks, target, credentials, journalDir } = options;
  const context: SourceContext = {
    identity,
    directory: machine.directory,
    copyDisks,
    target,
    credentials,
    startedAtMs: (options.clock ?? systemClock).now(),
    plain: options.configuration.disableTLS === true,
    // A guest that stands still converges.
    postCopy:
      options.configuration.allowPostCopy === true && options.postCopyProblem === undefined && options.paused !== true,
    ...(options.paused === true && { paused: true }),
  };
  const journal = openJournal(journalDir, identity.id, 'source');
  return driveSource({
    context,
    journal,
    machine,
    begin: async (before) => {
      await journal.writeContext(context);
      return startSourceHandover((before?.epoch ?? 0) + 1);
    },
    live: { ...options, verify: options.verify === true },
    renew: options.renew,
    log: options.log,
    clock: options.clock ?? systemClock,
    onProgress: options.onProgress,
    onStatus: options.onStatus,
  });
}

/** Continues after a restart of the agent from the journal. `machine` is undefined when its QEMU is gone. */
export function recoverSource(options: {
  readonly context: SourceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly renew: Renew | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
  readonly progress: ProgressKeeper | undefined;
}): SourceMigration {
  const { machine, progress } = options;
  return driveSource({
    ...options,
    live: undefined,
    onProgress: progress?.tell,
    told: progress?.told,
    begin: async (record = { record: 'started', epoch: 0 }) => {
      const state = machine === undefined ? 'gone' : await machine.state();
      const paused = state === 'paused' || state === 'finish-migrate' || state === 'postmigrate';
      return recoverSourceHandover(record, state === 'gone' ? 'gone' : paused ? 'paused' : 'running');
    },
  });
}
