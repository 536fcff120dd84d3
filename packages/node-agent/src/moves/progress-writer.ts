import { resources } from '@godwit/api';
import type { MigrationProgress } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';

/** Writes the newest progress of one migration; figures that come while a write is under way replace each other. */
export interface ProgressWriter {
  write(progress: MigrationProgress): void;
  /** Resolves when nothing is left to write. Never rejects: progress is news, not state. */
  flush(): Promise<void>;
}

export function createProgressWriter(
  client: KubeClient,
  at: { readonly namespace: string; readonly name: string },
  log: Logger,
): ProgressWriter {
  let newest: MigrationProgress | undefined;
  let writing: Promise<void> | undefined;

  async function drain(): Promise<void> {
    while (newest) {
      const progress = newest;
      newest = undefined;
      try {
        await client.patch(
          resources.virtualMachineInstanceMigrations,
          at.name,
          at.namespace,
          { type: 'merge', patch: { status: { progress } } },
          'status',
        );
      } catch (error) {
        log.debug({ VirtualMachineInstanceMigration: at, err: describeError(error) }, 'progress could not be written');
      }
    }
    writing = undefined;
  }

  return {
    write(progress) {
      newest = progress;
      writing ??= drain();
    },
    async flush() {
      await writing;
    },
  };
}
