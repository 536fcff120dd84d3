import { keyOf, keyString, resources } from '@godwit/api';
import type { ObjectKey, PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache, Reconciler } from '@godwit/reconcile';
import { locateVolume } from '../volumes/location.ts';
import type { Pools } from '../volumes/location.ts';
import { imageSizeBytes } from '../volumes/provision.ts';
import type { FillOptions } from './convert.ts';
import { decidePopulation } from './decide.ts';
import type { FetchedSource, PopulationSource } from './decide.ts';
import { fillVolume } from './fill.ts';
import type { FillIo } from './fill.ts';
import { reportPopulation } from './report.ts';

export interface PopulationIo extends FillIo {
  readonly client: KubeClient;
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
  /** True while a machine of this node has the file open. */
  readonly inUse: (image: string) => boolean;
}

export interface Populator extends Reconciler {
  /**
   * Fills a claim that waits for an upload; when that fails it waits for another one. Rejects with `UPLOAD_REFUSED` when
   * it does not wait for one here, and with `UPLOAD_BUSY` while another one is under way.
   */
  upload(key: ObjectKey, fill: (options: FillOptions) => Promise<void>): Promise<void>;
  /** Stops what is being filled; it starts anew with the next agent. */
  stop(): Promise<void>;
}

const REPORT_EVERY_MS = 1000;
const RETRY_MS = 5000;
const UPLOAD_AWAITED = 'Waiting for the upload';

/** Fills the claims this node is responsible for, several at a time, and reports through their annotations. */
export function createPopulator(
  options: { readonly nodeName: string; readonly pools: Pools },
  { io, clock, log }: { io: PopulationIo; clock: Clock; log: Logger },
): Populator {
  const jobs = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  const retryAt = new Map<string, number>();
  /** Claims that this agent has said it takes an upload for. */
  const offered = new Set<string>();

  function volumeOf(pvc: Stored<PersistentVolumeClaim>): Stored<PersistentVolume> | undefined {
    return io.volumes.get({ namespace: '', name: pvc.spec.volumeName ?? '' });
  }

  function fillOptions(pvc: Stored<PersistentVolumeClaim>, signal: AbortSignal): FillOptions {
    const pv = volumeOf(pvc);
    if (!pv) throw new GodwitError('UPLOAD_REFUSED', `claim ${pvc.metadata.name} has no volume yet`);
    const location = locateVolume(pv, options.pools);
    if (io.inUse(location.image))
      throw new GodwitError('UPLOAD_REFUSED', `the volume of claim ${pvc.metadata.name} is a disk of a running guest`);
    const sizeBytes = imageSizeBytes(location.mode, pv.spec.capacity.storage, pvc.spec.resources?.requests?.storage);
    let reportedAt = 0;
    const onPercent = (percent: number): void => {
      if (clock.now() - reportedAt < REPORT_EVERY_MS) return;
      reportedAt = clock.now();
      reportPopulation(io.client, pvc, { phase: 'Running', percent, message: 'Copying the image' }).catch(
        (error: unknown) => log.debug({ err: describeError(error) }, 'progress could not be reported'),
      );
    };
    return { location, sizeBytes, signal, onPercent };
  }

  /** The claim as the server has it. Our copy may lag, and what is filled may be the disk of a guest by now. */
  async function stillOwed(pvc: Stored<PersistentVolumeClaim>): Promise<Stored<PersistentVolumeClaim>> {
    const { name, namespace, uid } = pvc.metadata;
    const now = await io.client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, namespace);
    const same = now?.metadata.uid === uid ? now : undefined;
    const plan = same && decidePopulation(same, volumeOf(same), options.nodeName);
    if (same && (plan?.do === 'fill' || plan?.do === 'offer-upload')) return same;
    const why = plan?.do === 'nothing' ? plan.because : 'it has changed meanwhile';
    throw new GodwitError('UPLOAD_REFUSED', `claim ${keyString(keyOf(pvc))} is not to be filled: ${why}`);
  }

  async function run(
    pvc: Stored<PersistentVolumeClaim>,
    source: PopulationSource['kind'],
    work: (fill: FillOptions) => Promise<void>,
  ): Promise<void> {
    const { uid } = pvc.metadata;
    const uploading = source === 'upload';
    const abort = new AbortController();
    let filling = false;
    const done = (async () => {
      try {
        const current = await stillOwed(pvc);
        filling = true;
        await reportPopulation(io.client, current, { phase: 'Running', message: 'Copying the image' });
        await work(fillOptions(current, abort.signal));
        filling = false;
        await reportFilled(current, uploading, abort.signal);
        log.info({ PersistentVolumeClaim: keyOf(pvc) }, 'claim is filled');
      } catch (error) {
        // A word that may have been lost on its way back is not taken back: a guest may have started on it.
        if (filling && uploading) await offerAgain(pvc, error);
        else if (filling) await fail(pvc, error, abort.signal.aborted);
        else retryAt.set(uid, clock.now() + RETRY_MS);
        throw error;
      } finally {
        jobs.delete(uid);
      }
    })();
    jobs.set(uid, { abort, done });
    return done;
  }

  /** An import whose last word is lost starts anew; what was uploaded cannot be fetched again, so its word must get through. */
  async function reportFilled(pvc: Stored<PersistentVolumeClaim>, uploading: boolean, signal: AbortSignal) {
    const message = 'The claim is filled';
    const state = { phase: 'Succeeded', percent: 100, message, ...(uploading && { ready: false }) } as const;
    for (;;) {
      try {
        return await reportPopulation(io.client, pvc, state);
      } catch (error) {
        const passing = error instanceof GodwitError && error.retry !== 'never';
        if (!uploading || !passing || signal.aborted) throw error;
        log.warn({ PersistentVolumeClaim: keyOf(pvc), err: describeError(error) }, 'claim is filled, nobody heard it');
        await new Promise<void>((resolve) => {
          clock.after(REPORT_EVERY_MS, resolve);
        });
      }
    }
  }

  /** Errors that time may heal leave the claim Running and are tried again; the others end as Failed. */
  async function fail(pvc: Stored<PersistentVolumeClaim>, error: unknown, aborted: boolean): Promise<void> {
    const message = describeError(error);
    log.warn({ PersistentVolumeClaim: keyOf(pvc), err: message }, 'claim could not be filled');
    if (aborted) return;
    const passing = error instanceof GodwitError && error.retry !== 'never';
    retryAt.set(pvc.metadata.uid, clock.now() + RETRY_MS);
    await reportPopulation(io.client, pvc, { phase: passing ? 'Running' : 'Failed', message }).catch(
      (problem: unknown) => log.warn({ err: describeError(problem) }, 'failure could not be reported'),
    );
  }

  /** A failed upload leaves nothing behind: whoever sent it may send it again, or another one. */
  async function offerAgain(pvc: Stored<PersistentVolumeClaim>, error: unknown): Promise<void> {
    const why = describeError(error);
    log.warn({ PersistentVolumeClaim: keyOf(pvc), err: why }, 'upload failed');
    const message = `${UPLOAD_AWAITED}; the last one failed: ${why}`;
    await reportPopulation(io.client, pvc, { phase: 'Running', percent: 0, message, ready: true }).catch(
      (problem: unknown) => log.warn({ err: describeError(problem) }, 'failure could not be reported'),
    );
  }

  async function offer(pvc: Stored<PersistentVolumeClaim>): Promise<void> {
    const { uid } = pvc.metadata;
    if (offered.has(uid)) return;
    await reportPopulation(io.client, pvc, { phase: 'Running', message: UPLOAD_AWAITED, ready: true });
    offered.add(uid);
  }

  function start(pvc: Stored<PersistentVolumeClaim>, source: FetchedSource): void {
    log.info({ PersistentVolumeClaim: keyOf(pvc), source: source.kind }, 'filling claim');
    run(pvc, source.kind, (fill) => fillVolume(source, pvc.metadata.uid, fill, io)).catch(() => undefined);
  }

  return {
    name: 'population',
    watches: [
      { resource: resources.persistentVolumeClaims, toKeys: (pvc) => [keyOf(pvc)] },
      {
        resource: resources.persistentVolumes,
        toKeys: (pv) => {
          // The cast is safe: this watch delivers PersistentVolumes.
          const claim = (pv as Stored<PersistentVolume>).spec.claimRef;
          return claim ? [{ namespace: claim.namespace, name: claim.name }] : [];
        },
      },
    ],
    async reconcile(key) {
      const pvc = io.claims.get(key);
      if (!pvc) return;
      const { uid } = pvc.metadata;
      const plan = decidePopulation(pvc, volumeOf(pvc), options.nodeName);
      if (plan.do === 'nothing') {
        if (pvc.metadata.deletionTimestamp !== undefined) jobs.get(uid)?.abort.abort();
        offered.delete(uid);
        return;
      }
      if (jobs.has(uid)) return;
      const wait = (retryAt.get(uid) ?? 0) - clock.now();
      if (wait > 0) return { requeueAfterMs: wait };
      switch (plan.do) {
        case 'fill':
          start(pvc, plan.source);
          return { requeueAfterMs: RETRY_MS };
        case 'offer-upload':
          return offer(pvc);
        case 'refuse':
          return reportPopulation(io.client, pvc, { phase: 'Failed', message: plan.message });
      }
    },
    async upload(key, fill) {
      const pvc = io.claims.get(key);
      const plan = pvc && decidePopulation(pvc, volumeOf(pvc), options.nodeName);
      if (pvc && jobs.has(pvc.metadata.uid))
        throw new GodwitError('UPLOAD_BUSY', `claim ${keyString(key)} is being filled already`, { retry: 'backoff' });
      if (!pvc || plan?.do !== 'offer-upload') {
        const why = plan?.do === 'nothing' ? `: ${plan.because}` : '';
        throw new GodwitError('UPLOAD_REFUSED', `claim ${keyString(key)} does not wait for an upload here${why}`);
      }
      await run(pvc, 'upload', fill);
    },
    async stop() {
      const running = [...jobs.values()];
      for (const job of running) job.abort.abort();
      await Promise.allSettled(running.map((job) => job.done));
    },
  };
}
