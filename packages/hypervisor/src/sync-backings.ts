import { open } from 'node:fs/promises';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { DiskBacking } from './contract/disk-backing.ts';

/** Writes back what the host still holds of these disks. Only shortens a later flush, so a failure is just logged. */
export async function syncBackings(backings: readonly DiskBacking[], log: Logger): Promise<void> {
  const writable = backings.filter((backing) => !backing.readOnly);
  await Promise.all(
    writable.map(async ({ path }) => {
      try {
        await using file = await open(path, 'r');
        await file.datasync();
      } catch (error) {
        log.warn({ path, error: describeError(error) }, 'disk not synced before migration');
      }
    }),
  );
}
