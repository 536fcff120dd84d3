import { rm } from 'node:fs/promises';
import { isPopulated, keyOf, resources } from '@godwit/api';
import type { CopyOrder, PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache, Reconciler } from '@godwit/reconcile';
import { locateClaim, seeClaim } from '../launcher/claims.ts';
import type { UsableClaim } from '../launcher/claims.ts';
import { buildingPath } from '../population/convert.ts';
import { isReachable } from '../volumes/location.ts';
import type { Pools } from '../volumes/location.ts';
import { volumeMarks } from '../volumes/names.ts';
import { copyImage } from './copy.ts';
import { decideCopy } from './decide.ts';
import { clearMarks, isStillOwed, tellCopy } from './report.ts';

type Claim = Stored<PersistentVolumeClaim>;

export interface OfflineCopyIo {
  readonly client: KubeClient;
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
  /** True while a machine of this node has the file open. */
  readonly inUse: (image: string) => boolean;
}

/** Copies volumes of stopped VMs from claim to claim on this node. */
export interface OfflineCopier extends Reconciler {
  /** Stops what is being copied; the next agent begins it anew. */
  stop(): Promise<void>;
}

interface Job {
  readonly id: string;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

const REPORT_EVERY_MS = 1000;
const LOOK_AGAIN_MS = 5000;

export function createOfflineCopier(
  options: { readonly nodeName: string; readonly pools: Pools },
  { io, clock, log }: { io: OfflineCopyIo; clock: Clock; log: Logger },
): OfflineCopier {
  const jobs = new Map<string, Job>();
  let stopping = false;

  /** A claim whose bytes this node can use, or the reason why not yet. */
  function usable(namespace: string, name: string, what: string): UsableClaim {
    const seen = seeClaim(io, namespace, '', name);
    const { pvc, pv } = seen;
    const wait = (why: string): GodwitError =>
      new GodwitError('COPY_FAILED', `${what} claim "${name}" ${why}`, { retry: 'backoff' });
    if (!pvc || !pv || pvc.status?.phase !== 'Bound') throw wait('has no volume');
    if (pv.metadata.annotations?.[volumeMarks.provisioned] !== 'true') throw wait('has no bytes yet');
    if (!isReachable(pv, options.nodeName)) throw wait(`cannot be reached from node ${options.nodeName}`);
    if (!isPopulated(pvc)) throw wait('is still being filled');
    const located = locateClaim(seen, options.pools);
    if (!located) throw wait('has no volume');
    if (io.inUse(located.image)) throw wait('is a disk of a running guest');
    return located;
  }

  async function copy(pvc: Claim, order: CopyOrder, signal: AbortSignal): Promise<void> {
    const { name, namespace = '' } = pvc.metadata;
    let toldAtMs = 0;
    await copyImage({
      source: usable(namespace, order.source, 'source'),
      target: usable(namespace, name, 'target'),
      bytes: order.bytes,
      signal,
      onPercent(percent) {
        if (clock.now() - toldAtMs < REPORT_EVERY_MS || percent >= 100) return;
        toldAtMs = clock.now();
        tellCopy(io.client, pvc, order, { phase: 'Running', progress: `${percent.toFixed(1)}%` }).catch(
          (error: unknown) => log.debug({ err: describeError(error) }, 'progress could not be reported'),
        );
      },
      async confirm() {
        if (!(await isStillOwed(io.client, pvc, order)))
          throw new GodwitError('COPY_FAILED', 'the copy is not wanted any more', { retry: 'backoff' });
      },
    });
  }

  async function work(pvc: Claim, order: CopyOrder, signal: AbortSignal): Promise<void> {
    log.info({ PersistentVolumeClaim: keyOf(pvc), from: order.source, id: order.id }, 'copying claim');
    try {
      await copy(pvc, order, signal);
    } catch (error) {
      if (signal.aborted) return;
      const message = describeError(error);
      log.warn({ PersistentVolumeClaim: keyOf(pvc), err: message }, 'claim could not be copied');
      const refused = error instanceof GodwitError && error.retry === 'never';
      await tellCopy(io.client, pvc, order, { phase: refused ? 'Refused' : 'Failed', message });
      return;
    }
    // Should this word not arrive, the next look begins anew: what is copied then is the same.
    await tellCopy(io.client, pvc, order, { phase: 'Succeeded', progress: '100.0%' });
    log.info({ PersistentVolumeClaim: keyOf(pvc) }, 'claim is copied');
  }

  function start(pvc: Claim, order: CopyOrder): void {
    const { uid } = pvc.metadata;
    const abort = new AbortController();
    const done = work(pvc, order, abort.signal)
      .catch((error: unknown) => log.warn({ err: describeError(error) }, 'copy could not be reported'))
      .finally(() => jobs.delete(uid));
    jobs.set(uid, { id: order.id, abort, done });
  }

  async function end(job: Job | undefined): Promise<void> {
    job?.abort.abort();
    await job?.done;
  }

  async function clear(pvc: Claim): Promise<void> {
    const located = locateClaim(seeClaim(io, pvc.metadata.namespace ?? '', '', pvc.metadata.name), options.pools);
    // What a killed agent has left.
    if (located) await rm(buildingPath(located), { force: true });
    await clearMarks(io.client, pvc);
  }

  return {
    name: 'offline-copy',
    concurrency: 4,
    watches: [{ resource: resources.persistentVolumeClaims, toKeys: (pvc) => [keyOf(pvc)] }],
    async reconcile(key) {
      const pvc = io.claims.get(key);
      if (!pvc || stopping) return;
      const plan = decideCopy(pvc, options.nodeName);
      const job = jobs.get(pvc.metadata.uid);
      const wanted = plan.do === 'claim' || plan.do === 'work' ? plan.order : undefined;
      if (job && job.id !== wanted?.id) await end(job);
      switch (plan.do) {
        case 'nothing':
          return;
        case 'clear':
          return clear(pvc);
        case 'claim':
        case 'work': {
          if (jobs.has(pvc.metadata.uid)) return { requeueAfterMs: LOOK_AGAIN_MS };
          // Said before it is begun: from then on the controller waits for this node to say that it has stopped.
          const current = { phase: 'Running', progress: '0.0%' } as const;
          const owed =
            plan.do === 'claim'
              ? await tellCopy(io.client, pvc, plan.order, current)
              : await isStillOwed(io.client, pvc, plan.order);
          if (owed && !stopping) start(pvc, plan.order);
          return { requeueAfterMs: LOOK_AGAIN_MS };
        }
      }
    },
    async stop() {
      stopping = true;
      const running = [...jobs.values()];
      await Promise.all(running.map(end));
    },
  };
}
