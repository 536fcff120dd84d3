import { createHash } from 'node:crypto';
import { resources } from '@godwit/api';
import type { KubeEvent, KubeObject } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { rfc3339, systemClock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { silentLogger } from '@godwit/core/logger';
import { isAlreadyExists, isNotFound } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';

/** A core/v1 Event as the recorder writes it. */
interface CountedEvent extends KubeEvent {
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string; host?: string };
  reportingComponent: string;
  reportingInstance: string;
}

export interface EventRecorder {
  /**
   * Records that something happened to `object`; returns at once and never throws. The same event again raises the
   * count of the first one, at most one write per event and `quietMs`.
   */
  record(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** Resolves when everything recorded so far is written (or has failed). */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** `source.component`: who says so. */
  readonly component: string;
  readonly host?: string;
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Repetitions within this time are counted but not written one by one; default 5000. */
  readonly quietMs?: number;
}

interface Tally {
  readonly name: string;
  unwritten: number;
  writing: boolean;
  lastWrite: number;
  cancel: (() => void) | undefined;
}

/** Distinct events remembered for counting; older ones start over through the server's copy. */
const REMEMBERED = 256;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const log = options.log ?? silentLogger;
  const clock = options.clock ?? systemClock;
  const quietMs = options.quietMs ?? 5_000;
  const tallies = new Map<string, Tally>();
  const inFlight = new Set<Promise<void>>();

  function tallyOf(object: KubeObject, type: string, reason: string, message: string): Tally {
    const { uid = '', name = '' } = object.metadata;
    const id = createHash('sha256')
      .update([object.kind, uid, name, options.component, options.host ?? '', type, reason, message].join('\0'))
      .digest('hex')
      .slice(0, 16);
    let tally = tallies.get(id);
    if (!tally) {
      tally = {
        name: `${name.slice(0, 230)}.${id}`,
        unwritten: 0,
        writing: false,
        lastWrite: -Infinity,
        cancel: undefined,
      };
      for (const [old, { unwritten }] of tallies) {
        if (tallies.size < REMEMBERED) break;
        if (unwritten === 0) tallies.delete(old);
      }
    } else {
      tallies.delete(id);
    }
    tallies.set(id, tally);
    return tally;
  }

  async function write(tally: Tally, draft: CountedEvent): Promise<void> {
    const count = tally.unwritten;
    tally.unwritten = 0;
    tally.lastWrite = clock.now();
    const namespace = draft.metadata.namespace ?? '';
    const old = await options.client.get<CountedEvent>(resources.events, tally.name, namespace);
    if (!old) {
      try {
        await options.client.create(resources.events, { ...draft, count });
        return;
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    }
    await options.client.patch(resources.events, tally.name, namespace, {
      type: 'merge',
      patch: { count: (old?.count ?? 1) + count, lastTimestamp: draft.lastTimestamp },
    });
  }

  function schedule(tally: Tally, draft: CountedEvent): void {
    if (tally.writing || tally.cancel) return;
    const wait = tally.lastWrite + quietMs - clock.now();
    if (wait > 0) {
      tally.cancel = clock.after(wait, () => {
        tally.cancel = undefined;
        go(tally, draft);
      });
      return;
    }
    go(tally, draft);
  }

  function go(tally: Tally, draft: CountedEvent): void {
    tally.writing = true;
    const done: Promise<void> = write(tally, draft)
      .catch((error: unknown) => {
        // The namespace may be on its way out; everything else is worth a line, never a failure.
        if (!isNotFound(error))
          log.warn({ error: describeError(error), reason: draft.reason }, 'event was not recorded');
      })
      .finally(() => {
        tally.writing = false;
        inFlight.delete(done);
        if (tally.unwritten > 0) schedule(tally, { ...draft, lastTimestamp: rfc3339(clock.now()) });
      });
    inFlight.add(done);
  }

  return {
    record(object, type, reason, message) {
      const tally = tallyOf(object, type, reason, message);
      tally.unwritten += 1;
      const now = rfc3339(clock.now());
      const { name, namespace, uid, resourceVersion } = object.metadata;
      schedule(tally, {
        apiVersion: 'v1',
        kind: 'Event',
        // Events about cluster-scoped objects live in `default`, as everywhere in Kubernetes.
        metadata: { name: tally.name, namespace: namespace ?? 'default' },
        involvedObject: {
          apiVersion: object.apiVersion,
          kind: object.kind,
          ...(name === undefined ? {} : { name }),
          ...(namespace === undefined ? {} : { namespace }),
          ...(uid === undefined ? {} : { uid }),
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        },
        type,
        reason,
        message: message.slice(0, 1024),
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
        source: { component: options.component, ...(options.host === undefined ? {} : { host: options.host }) },
        reportingComponent: options.component,
        reportingInstance: options.host ?? options.component,
      });
    },
    async flush() {
      while (inFlight.size > 0) await Promise.all(inFlight);
    },
  };
}
