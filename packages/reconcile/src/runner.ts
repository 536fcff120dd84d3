import { keyString } from '@godwit/api';
import type { ObjectKey } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { createWorkQueue } from './queue.ts';
import type { Reconciler } from './types.ts';

/** The loop of one reconciler: its queue and its workers. */
export interface Runner {
  readonly reconciler: Reconciler;
  wake(key: ObjectKey): void;
  start(): void;
  /** Resolves when the work in progress is finished. */
  stop(): Promise<void>;
}

export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/');
  return slash < 0 ? { namespace: '', name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

export function createRunner(reconciler: Reconciler, clock: Clock, log: Logger): Runner {
  const queue = createWorkQueue(clock);
  const workers: Promise<void>[] = [];
  let stopping = false;

  async function work(): Promise<void> {
    for (;;) {
      const key = await queue.take();
      if (key === undefined) return;
      try {
        const result = await reconciler.reconcile(parseKey(key));
        queue.forget(key);
        if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      } catch (error) {
        if (!stopping) retry(key, error);
      } finally {
        queue.done(key);
      }
    }
  }

  function retry(key: string, error: unknown): void {
    const wish = isGodwitError(error) ? error.retry : 'backoff';
    const fields = { key, error: describeError(error), code: isGodwitError(error) ? error.code : undefined };
    if (wish === 'never') {
      queue.forget(key);
      log.error({ ...fields, stack: error instanceof Error ? error.stack : undefined }, 'gave up until the next event');
      return;
    }
    if (wish !== 'backoff') {
      queue.addAfter(key, wish.afterMs);
      log.info({ ...fields, retryMs: wish.afterMs }, 'reconcile is to be retried');
      return;
    }
    const retryMs = queue.addFailed(key);
    // The first retries answer races (stale copies, conflicts) and are nothing to tell an operator.
    if (retryMs < 500) log.debug({ ...fields, retryMs }, 'reconcile failed, retrying');
    else log.warn({ ...fields, retryMs }, 'reconcile keeps failing');
  }

  return {
    reconciler,
    wake: (key) => queue.add(keyString(key)),
    start() {
      for (let n = 0; n < (reconciler.concurrency ?? 1); n += 1) workers.push(work());
    },
    async stop() {
      stopping = true;
      queue.shutDown();
      await Promise.all(workers);
    },
  };
}
