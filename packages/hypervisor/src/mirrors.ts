import type { Logger } from '@godwit/core/logger';
import type { BlockJob } from '@godwit/qmp';
import type { DiskGraph, DiskInUse } from './disk-graph.ts';
import { diskOfMirrorJob, mirrorFilterNode, mirrorJobId, parseNodeName, rootNode } from './disk-nodes.ts';
import { hypervisorError, isRefusal } from './errors.ts';
import { attachTarget, requireSameSize } from './mirror-target.ts';
import type { Link, Monitor } from './monitor.ts';
import type { MirrorProgress } from './contract/disk-mirroring.ts';
import type { Machine } from './contract/machine.ts';

/** From cancel or complete to the end of the job; the guest may be paused meanwhile, so it is short. */
const FINISH_MS = 5_000;
const CANCEL_MS = 3_000;
/** Meanwhile the guest's writes to other disks may be held already: what takes longer is to be tried in another way. */
const PREPARE_MS = 3_000;
/**
 * QEMU's default is 64 KiB. A guest that writes 4 KiB here and there makes sixteen times that travel and occupies it on
 * the target; sequential copies are as fast with this.
 */
export const MIRROR_GRANULARITY = 16_384;
/** An event is there at once, or has been missed. */
const LOOK_AFTER_MS = 100;
/** What QEMU says of a job that ends with it; one that waits for room says nothing. */
const NO_SPACE = 'No space left on device';
/** After this, removing a target is taken to hang on its connection, which is then cut. */
const DETACH_MS = 1_000;

type Mirrors = Pick<
  Machine,
  | 'startMirror'
  | 'mirrors'
  | 'setMirrorSpeed'
  | 'finishMirror'
  | 'preparePivot'
  | 'commitPivot'
  | 'cancelMirror'
  | 'resumeMirror'
>;

/**
 * Disk copies by `blockdev-mirror`. Jobs are never dismissed by QEMU itself: how one ended can still be read after
 * its event was missed, so a restarted process of ours sees the same as one that was there.
 */
export function createMirrors(context: { monitor: Monitor; graph: DiskGraph; log: Logger }): Mirrors {
  const { monitor, graph, log } = context;

  /** Of disks whose copy met an error: the job itself does not say on which side. */
  const failedSides = new Map<string, string>();
  monitor.onEvent(({ name, data }) => {
    const disk = name === 'BLOCK_JOB_ERROR' ? diskOfMirrorJob(String(data['device'])) : undefined;
    if (disk === undefined) return;
    failedSides.set(disk, data['operation'] === 'read' ? 'its source cannot be read' : 'its target cannot be written');
  });
  const withSide = (disk: string, error: string): string => {
    const side = failedSides.get(disk);
    return side === undefined ? error : `${side}: ${error}`;
  };

  async function jobOf(disk: string): Promise<BlockJob | undefined> {
    const id = mirrorJobId(disk);
    return (await monitor.execute('query-block-jobs')).find((job) => job.device === id);
  }

  /** Waits for the job's end; undefined when it is gone altogether. */
  function concluded(disk: string, timeoutMs: number): Promise<{ readonly job: BlockJob | undefined }> {
    const probe = async (): Promise<{ job: BlockJob | undefined } | undefined> => {
      const job = await jobOf(disk);
      return job === undefined || job.status === 'concluded' ? { job } : undefined;
    };
    return monitor.until(probe, { what: `The end of the mirror of ${disk}`, timeoutMs });
  }

  /**
   * Removes a job that has ended and every node that the guest device does not use: the target, or after a pivot the old
   * disk. Resolves with what is left.
   */
  async function clear(disk: string, job: BlockJob | undefined): Promise<DiskInUse> {
    if (job) await monitor.execute('job-dismiss', { id: mirrorJobId(disk) });
    const inUse = await graph.find(disk);
    for (const generation of inUse.others) await detach(rootNode(inUse.index, generation));
    return { ...inUse, others: [] };
  }

  /**
   * Removes a node. QEMU flushes it first, in its main loop: with a peer that no longer answers that would stop the
   * guest for good.
   */
  async function detach(node: string): Promise<void> {
    const isThis = (link: Link): boolean => link.type === 'block-node' && link['node-name'] === node;
    await monitor.orCut(DETACH_MS, () => monitor.execute('blockdev-del', { 'node-name': node }), isThis);
  }

  /** How a job ends, by its event; by a look at it should the event not come. */
  function watchEnd(disk: string) {
    const id = mirrorJobId(disk);
    const lookAfter = performance.now() + LOOK_AFTER_MS;
    let seen: { readonly error?: string } | undefined;
    const stop = monitor.onEvent(({ name, data }) => {
      if (data['device'] !== id) return;
      const error = data['error'];
      if (name === 'BLOCK_JOB_COMPLETED') seen = typeof error === 'string' ? { error } : {};
      if (name === 'BLOCK_JOB_CANCELLED') seen = { error: 'it was not in sync' };
    });
    const probe = async (): Promise<{ readonly error?: string } | undefined> => {
      if (seen !== undefined || performance.now() < lookAfter) return seen;
      const job = await jobOf(disk);
      if (job === undefined) return { error: 'it is gone' };
      if (job['io-status'] === 'nospace') return { error: NO_SPACE };
      if (job.status !== 'concluded') return undefined;
      return job.error === undefined ? {} : { error: job.error };
    };
    return {
      stop,
      verdict: () => monitor.until(probe, { what: `The end of the mirror of ${disk}`, timeoutMs: FINISH_MS }),
    };
  }

  async function requireReady(disk: string): Promise<BlockJob> {
    const job = await jobOf(disk);
    if (!job) throw hypervisorError('HYPERVISOR_MIRROR_ABSENT', `Disk ${disk} of ${monitor.machine} has no mirror`);
    if (job.status === 'concluded') {
      await clear(disk, job);
      throw failed(disk, job.error ?? 'it ended before');
    }
    if (!isInSync(job)) throw hypervisorError('HYPERVISOR_WRONG_STATE', `The mirror of ${disk} is not in sync yet`);
    return job;
  }

  function failed(disk: string, error: string): Error {
    const message = `The mirror of disk ${disk} of ${monitor.machine} failed: ${withSide(disk, error)}`;
    return hypervisorError('HYPERVISOR_MIRROR_FAILED', message, { details: { disk, error }, retry: 'backoff' });
  }

  async function end(disk: string): Promise<void> {
    const { job } = await concluded(disk, FINISH_MS);
    await clear(disk, job);
    if (job?.error !== undefined) throw failed(disk, job.error);
  }

  return {
    async startMirror(disk, target, options = {}) {
      const job = await jobOf(disk);
      if (job && job.status !== 'concluded') {
        throw hypervisorError('HYPERVISOR_MIRROR_EXISTS', `Disk ${disk} of ${monitor.machine} is being mirrored`);
      }
      const inUse = await clear(disk, job);
      const generation = inUse.generation + 1;
      const node = rootNode(inUse.index, generation);
      log.info({ machine: monitor.machine, disk, target: target.kind }, 'starting mirror');
      failedSides.delete(disk);
      if (target.kind === 'nbd') monitor.cutWhenStuck(true);
      await attachTarget(context, inUse, target, node);
      try {
        await requireSameSize(monitor, inUse, node);
        await monitor.execute('blockdev-mirror', {
          'job-id': mirrorJobId(disk),
          device: rootNode(inUse.index, inUse.generation),
          target: node,
          sync: 'full',
          'copy-mode': options.synchronous === true ? 'write-blocking' : 'background',
          granularity: MIRROR_GRANULARITY,
          'on-source-error': 'report',
          'on-target-error': 'enospc',
          'filter-node-name': mirrorFilterNode(inUse.index, generation),
          'auto-dismiss': false,
          // In place: the end of the copy is somebody's decision.
          'auto-finalize': target.kind === 'nbd',
          ...(options.bandwidthBytesPerSecond ? { speed: options.bandwidthBytesPerSecond } : {}),
        });
      } catch (error) {
        await detach(node);
        throw error;
      }
    },

    async mirrors() {
      return (await monitor.execute('query-block-jobs')).flatMap((job) => {
        const disk = diskOfMirrorJob(job.device);
        return disk === undefined ? [] : [progressOf(disk, job, withSide)];
      });
    },

    async finishMirror(disk) {
      const ending = watchEnd(disk);
      try {
        // QEMU calls it a completion when the mirror was in sync, and says so in the event.
        await monitor.execute('block-job-cancel', { device: mirrorJobId(disk), force: false });
        const { error } = await ending.verdict();
        if (error !== undefined) throw failed(disk, error);
      } catch (error) {
        if (isRefusal(error, /not found|not accept|cannot be|concluded/i)) await requireReady(disk);
        throw error;
      } finally {
        ending.stop();
      }
    },

    async setMirrorSpeed(disk, bytesPerSecond) {
      await monitor.execute('block-job-set-speed', { device: mirrorJobId(disk), speed: bytesPerSecond });
    },

    async preparePivot(disk) {
      if ((await requireReady(disk)).status === 'pending') return;
      log.info({ machine: monitor.machine, disk }, 'preparing pivot to mirror');
      await monitor.execute('block-job-complete', { device: mirrorJobId(disk) });
      const held = async () => {
        const job = await jobOf(disk);
        if (job?.['io-status'] === 'nospace') throw failed(disk, NO_SPACE);
        return job?.status === 'pending' || job?.status === 'concluded' || job === undefined ? { job } : undefined;
      };
      const what = `The mirror of ${disk} in sync with everything that the guest writes`;
      const { job } = await monitor.until(held, { what, timeoutMs: PREPARE_MS });
      if (job?.status !== 'pending') throw failed(disk, job?.error ?? 'it is gone');
    },

    async commitPivot(disk) {
      const job = await jobOf(disk);
      if (!job) throw hypervisorError('HYPERVISOR_MIRROR_ABSENT', `Disk ${disk} of ${monitor.machine} has no mirror`);
      log.info({ machine: monitor.machine, disk }, 'pivoting to mirror');
      if (job.status !== 'concluded') await monitor.execute('job-finalize', { id: mirrorJobId(disk) });
      await end(disk);
    },

    async cancelMirror(disk) {
      // The target is given up: nothing need wait for its answer any longer, neither the job nor QEMU's main loop.
      const index = graph.indexOf(disk);
      await monitor.cutLinks((link) => link.type === 'block-node' && parseNodeName(link['node-name'])?.index === index);
      try {
        await monitor.execute('block-job-cancel', { device: mirrorJobId(disk), force: true });
      } catch (error) {
        // There is no job, or it has ended: what is left of it goes below.
        if (!isRefusal(error, /not found|not accept|cannot be|concluded/i)) throw error;
      }
      const { job } = await concluded(disk, CANCEL_MS);
      await clear(disk, job);
    },

    async resumeMirror(disk) {
      await monitor.execute('block-job-resume', { device: mirrorJobId(disk) });
    },
  };
}

/** QEMU does not call a job ready that waits for its end. */
const isInSync = (job: BlockJob): boolean => job.ready || job.status === 'waiting' || job.status === 'pending';

function progressOf(disk: string, job: BlockJob, withSide: (disk: string, error: string) => string): MirrorProgress {
  return {
    disk,
    bytesTotal: job.len,
    bytesDone: job.offset,
    ready: isInSync(job),
    held: job.status === 'pending',
    ...(job.error === undefined ? {} : { error: withSide(disk, job.error) }),
    nospace: job['io-status'] === 'nospace',
  };
}
