import { resources } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { textAt } from '../kinds/fields.ts';
import { removeQuietly } from './parts.ts';
import type { BackgroundLoop, BackgroundParts } from './parts.ts';
import { systemUser } from './system-user.ts';

const USER = systemUser('event-ttl-controller');
const TTL_MS = 60 * 60_000;
const SWEEP_MS = 5 * 60_000;
/** Deleted side by side, so that they share commits. */
const BATCH = 100;
const TIMES = ['metadata.creationTimestamp', 'eventTime', 'firstTimestamp', 'lastTimestamp', 'series.lastObservedTime'];

/** Epoch ms of the last sign of an event. */
function lastSeenMs(event: unknown): number {
  const times = TIMES.map((path) => Date.parse(textAt(event, path))).filter((ms) => !Number.isNaN(ms));
  return Math.max(0, ...times);
}

/** Removes events an hour after they last happened. */
export function startEventExpiry(parts: BackgroundParts): BackgroundLoop {
  const { reader, registry, clock, log } = parts;
  let stopped = false;
  let cancel = clock.after(SWEEP_MS, tick);
  let running: Promise<void> = Promise.resolve();

  function tick(): void {
    running = sweep()
      .catch((error: unknown) => log.warn({ error: describeError(error) }, 'Old events could not be removed'))
      .then(() => {
        if (!stopped) cancel = clock.after(SWEEP_MS, tick);
      });
  }

  async function sweep(): Promise<void> {
    const { group, version, plural } = resources.events;
    const kind = registry.find(group, version, plural);
    if (!kind) return;
    const limit = clock.now() - TTL_MS;
    const old = reader.list(resources.events).filter((event) => lastSeenMs(event) < limit);
    for (let i = 0; i < old.length && !stopped; i += BATCH) {
      await Promise.all(old.slice(i, i + BATCH).map((event) => removeQuietly(parts, kind, event, USER)));
    }
  }

  return {
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}
