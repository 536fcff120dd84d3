import { keyString } from '@godwit/api';
import type { KubeObject, ObjectKey, ResourceKind, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { systemClock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { silentLogger } from '@godwit/core/logger';
import type { KubeClient, ListOptions } from '@godwit/kube-client';
import { Informer, sameSelection, selectionOf } from './cache.ts';
import { runElection } from './leader.ts';
import type { LeaderElection } from './leader.ts';
import { createRunner } from './runner.ts';
import type { Runner } from './runner.ts';
import type { Cache, CacheOptions, Indexes, Reconciler } from './types.ts';
import { writeThrough } from './write-through.ts';

export interface ManagerOptions {
  readonly client: KubeClient;
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Absent: no election, reconcilers start as soon as the caches are in sync. */
  readonly leaderElection?: LeaderElection;
}

/** Owns caches and reconcile loops of one process against one API server. */
export interface Manager {
  /** Client whose writes show up in this manager's caches at once. Use it for everything. */
  readonly client: KubeClient;
  /** Cache of a resource; callers with the same selection share one watch. Filled once `start` has resolved. */
  cache<T extends KubeObject>(resource: ResourceKind, options?: CacheOptions<T>): Cache<T>;
  /** Returns how to wake a key from outside the watches: a timer, an event of a process. */
  add(reconciler: Reconciler): (key: ObjectKey) => void;
  /** Resolves when all caches are in sync and, with an election, this process leads; loops run from then on. */
  start(): Promise<void>;
  /** Ends watches and loops; resolves when the work in progress is finished. The client stays open. */
  stop(): Promise<void>;
}

export function createManager(options: ManagerOptions): Manager {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  const informers: Informer[] = [];
  const runners: Runner[] = [];
  const ending = new AbortController();
  let started = false;
  let election: ReturnType<typeof runElection> | undefined;

  const absorb = (resource: ResourceKind, object: Stored<KubeObject>): void => {
    for (const informer of informers) if (sameResource(informer.resource, resource)) informer.absorb(object);
  };
  const client = writeThrough(options.client, absorb);

  function informer(resource: ResourceKind, selection: ListOptions): Informer {
    let found = informers.find(
      (one) => sameResource(one.resource, resource) && sameSelection(one.selection, selection),
    );
    if (!found) {
      found = new Informer(resource, selection);
      informers.push(found);
      if (started) void found.start(options.client, ending.signal);
    }
    return found;
  }

  function informerFor(resource: ResourceKind, from: ListOptions | undefined): Informer {
    if (from) return informer(resource, selectionOf(from));
    const declared = informers.filter((one) => sameResource(one.resource, resource));
    const only = declared.length === 1 ? declared[0] : undefined;
    return only ?? informer(resource, {});
  }

  function connect(runner: Runner): void {
    for (const watch of runner.reconciler.watches) {
      informerFor(watch.resource, watch.from).onChange(({ before, after }) => {
        const keys = new Map<string, ObjectKey>();
        for (const object of [before, after]) {
          if (object) for (const key of watch.toKeys(object)) keys.set(keyString(key), key);
        }
        for (const key of keys.values()) runner.wake(key);
      });
    }
  }

  return {
    client,
    cache<T extends KubeObject>(resource: ResourceKind, cacheOptions: CacheOptions<T> = {}) {
      const found = informer(resource, selectionOf(cacheOptions));
      // The cast is safe: the informer only holds objects of the resource whose type the caller named.
      if (cacheOptions.indexes) found.addIndexes(cacheOptions.indexes as unknown as Indexes<KubeObject>);
      return found.view<T>();
    },
    add(reconciler) {
      if (started) throw new GodwitError('MANAGER_STARTED', `"${reconciler.name}" was added to a running manager`);
      const runner = createRunner(reconciler, clock, log.child({ reconciler: reconciler.name }));
      runners.push(runner);
      return (key) => runner.wake(key);
    },
    async start() {
      if (started) throw new GodwitError('MANAGER_STARTED', 'The manager was started twice');
      // Watches are resolved now, when every cache that somebody declared is known.
      for (const runner of runners) connect(runner);
      started = true;
      const stopped = new Promise<void>((resolve) => {
        ending.signal.addEventListener('abort', () => resolve());
      });
      const synced = informers.map((one) => one.start(options.client, ending.signal));
      await Promise.race([Promise.all(synced), stopped]);
      if (options.leaderElection && !ending.signal.aborted) {
        election = runElection(options.client, options.leaderElection, clock, log);
        await Promise.race([election.elected, stopped]);
      }
      if (!ending.signal.aborted) for (const runner of runners) runner.start();
    },
    async stop() {
      ending.abort();
      await Promise.all(runners.map((runner) => runner.stop()));
      await election?.stop();
    },
  };
}

function sameResource(a: ResourceKind, b: ResourceKind): boolean {
  return a.plural === b.plural && a.group === b.group && a.version === b.version;
}
