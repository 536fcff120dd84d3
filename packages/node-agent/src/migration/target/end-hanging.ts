import { isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import type { Journal } from '../journal.ts';
import { readTargetRecord } from './target-context.ts';

const TRIES = 3;

/**
 * The machine of an unfinished migration. A target whose guest is in post-copy may hang for good: QEMU itself waits for
 * memory of the guest, and nobody who comes anew can tell it where to get it. Such a one is ended, because it would keep this
 * agent from everything else: its guest cannot be helped any more.
 */
export async function machineOrEnd(
  journal: Journal,
  machineAt: () => Promise<Machine | undefined>,
  log: Logger,
): Promise<Machine | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await machineAt();
    } catch (error) {
      if (!isGodwitError(error, 'HYPERVISOR_UNREACHABLE') || !(await mayMissMemory(journal))) throw error;
      const pid = 'pid' in error.details ? error.details.pid : undefined;
      if (attempt < TRIES || typeof pid !== 'number') continue;
      log.error({ migrationUID: journal.id, pid }, 'ending a QEMU that hangs without the memory of its guest');
      process.kill(pid, 'SIGKILL');
      return undefined;
    }
  }
}

async function mayMissMemory(journal: Journal): Promise<boolean> {
  if (journal.role !== 'target') return false;
  const record = readTargetRecord(await journal.readRecord());
  return record?.record === 'commit' && record.postCopy === 'partial';
}
