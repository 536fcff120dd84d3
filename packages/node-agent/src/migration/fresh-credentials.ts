import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { expiresAtMs, type LinkCredentials } from '@godwit/migration-link';

/** Asks the cluster for another certificate of the same side of the same migration. */
export type Renew = () => Promise<LinkCredentials>;

/** One side's credentials, asked for anew before they expire: a migration may take longer than a certificate is good for. */
export interface FreshCredentials {
  /** Good for a minute at least, while others are asked for; those at hand when nobody gives new ones. */
  get(): Promise<LinkCredentials>;
  /** Tells new ones in good time before the old ones expire, again and again, until the returned function is called. */
  follow(use: (credentials: LinkCredentials) => void): () => void;
}

/** A handover that asks again and again must not outlast what it began with. */
const SPARE_MS = 10 * 60_000;
/** Those that are good for longer serve while others are awaited: somebody may stand still meanwhile. */
const USABLE_MS = 60_000;
const RETRY_MS = 30_000;
/** A refusal is seldom taken back, and every request is an object that is kept for an hour. */
const MOST_RETRY_MS = 60 * 60_000;

export function freshCredentials(
  first: LinkCredentials,
  renew: Renew | undefined,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): FreshCredentials {
  let current = first;
  let renewing: Promise<LinkCredentials> | undefined;
  let refusals = 0;
  let notBeforeMs = 0;
  const dueMs = () => Math.max(expiresAtMs(current) - SPARE_MS, notBeforeMs) - clock.now();

  async function again(ask: Renew): Promise<LinkCredentials> {
    try {
      current = await ask();
      refusals = 0;
      log.info({ expires: new Date(expiresAtMs(current)).toISOString() }, 'migration certificate renewed');
    } catch (error) {
      notBeforeMs = clock.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** refusals);
      if (isGodwitError(error, 'MIGRATION_CERTIFICATE_DENIED')) refusals += 1;
      log.warn({ err: describeError(error) }, 'migration certificate cannot be renewed');
    }
    return current;
  }

  const renewed = async (): Promise<LinkCredentials> => {
    if (renew === undefined || dueMs() > 0) return current;
    renewing ??= again(renew).finally(() => (renewing = undefined));
    return renewing;
  };
  const get: FreshCredentials['get'] = async () => {
    const next = renewed();
    return expiresAtMs(current) - clock.now() > USABLE_MS ? current : next;
  };

  return {
    get,
    follow(use) {
      if (renew === undefined) return () => {};
      let stopped = false;
      let told = current;
      let cancel = () => {};
      const look = async (): Promise<void> => {
        const next = await renewed();
        if (stopped) return;
        if (next !== told) use(next);
        told = next;
        wait();
      };
      const wait = (): void => {
        cancel = clock.after(Math.max(RETRY_MS, dueMs()), () => void look());
      };
      wait();
      return () => {
        stopped = true;
        cancel();
      };
    },
  };
}
