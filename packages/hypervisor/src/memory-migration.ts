import type { Logger } from '@godwit/core/logger';
import type { DiskGraph } from './disk-graph.ts';
import { hypervisorError, isRefusal } from './errors.ts';
import { memoryProgressOf } from './memory-progress.ts';
import { openMemorySink, ramBlockSizes } from './memory-sink.ts';
import { untilItGoesOn } from './memory-take-back.ts';
import type { Monitor } from './monitor.ts';
import { syncBackings } from './sync-backings.ts';
import type { Machine, RunState } from './contract/machine.ts';
import type { MemoryProgress } from './contract/memory-sending.ts';

/** QEMU's own default is 128 MiB/s. */
const UNLIMITED_BYTES_PER_SECOND = 100_000_000_000;
const AUTO_CONVERGE = { 'cpu-throttle-initial': 20, 'cpu-throttle-increment': 10, 'max-cpu-throttle': 99 } as const;
const CANCEL_MS = 5_000;
const CONNECT_MS = 15_000;
/** After this, cancelling is taken to hang on a peer. */
const CANCEL_PATIENCE_MS = 300;

type MemoryMigration = Pick<
  Machine,
  | 'startMemory'
  | 'memory'
  | 'setMigrateParameters'
  | 'startPostCopy'
  | 'continueSwitchover'
  | 'cancelMemory'
  | 'acceptMemory'
  | 'acceptMemoryAgain'
  | 'breakStream'
  | 'endStream'
  | 'sendMemoryAgain'
  | 'takeMemoryBack'
>;

export function createMemoryMigration(context: {
  readonly monitor: Monitor;
  readonly graph: DiskGraph;
  readonly log: Logger;
  readonly state: () => Promise<RunState>;
}): MemoryMigration {
  const { monitor, graph, log, state } = context;

  const memory = async (): Promise<MemoryProgress> => memoryProgressOf(await monitor.execute('query-migrate'));

  async function setCapabilities(wanted: Readonly<Record<string, boolean>>): Promise<void> {
    // QEMU refuses any of them during a migration, even one that would not change.
    const now = new Map((await monitor.execute('query-migrate-capabilities')).map((c) => [c.capability, c.state]));
    const capabilities = Object.entries(wanted)
      .filter(([capability, on]) => now.get(capability) !== on)
      .map(([capability, on]) => ({ capability, state: on }));
    if (capabilities.length > 0) await monitor.execute('migrate-set-capabilities', { capabilities });
  }

  async function allowPostCopy(): Promise<boolean> {
    try {
      await setCapabilities({ 'postcopy-ram': true });
      return true;
    } catch (error) {
      if (!isRefusal(error, /postcopy is not supported/i)) throw error;
      log.warn({ machine: monitor.machine }, 'this host cannot receive memory by post-copy');
      return false;
    }
  }

  async function setParameters(parameters: Parameters<Machine['setMigrateParameters']>[0]): Promise<void> {
    const { bandwidthBytesPerSecond, downtimeLimitMs } = parameters;
    if (bandwidthBytesPerSecond === undefined && downtimeLimitMs === undefined) return;
    await monitor.execute('migrate-set-parameters', {
      ...(bandwidthBytesPerSecond === undefined
        ? {}
        : {
            'max-bandwidth': bandwidthBytesPerSecond || UNLIMITED_BYTES_PER_SECOND,
            // Pages that the guest waits for come first, whatever the limit.
            'max-postcopy-bandwidth': bandwidthBytesPerSecond,
          }),
      ...(downtimeLimitMs === undefined ? {} : { 'downtime-limit': downtimeLimitMs }),
    });
  }

  async function setChannels(channels = 0): Promise<void> {
    if (channels > 0) await monitor.execute('migrate-set-parameters', { 'multifd-channels': channels });
  }

  /** The state that a cancelled migration leaves: undefined while it is still ending. */
  async function afterCancel(): Promise<true | undefined> {
    const { status } = await memory();
    if (status === 'completed') {
      throw hypervisorError('HYPERVISOR_WRONG_STATE', `The memory of ${monitor.machine} has been handed over already`);
    }
    if (status !== 'none' && status !== 'cancelled' && status !== 'failed') return undefined;
    // A failure is reported a moment before the vCPUs run again.
    return (await state()) === 'finish-migrate' ? undefined : true;
  }

  async function cancel(): Promise<void> {
    await monitor.execute('migrate_cancel');
    await monitor.until(afterCancel, {
      what: 'Cancelling the migration',
      timeoutMs: CANCEL_MS,
      late: async () => {
        if (!(await neverEnds())) return undefined;
        log.warn({ machine: monitor.machine }, 'QEMU never ends this migration; its guest can stay, but not migrate');
        return true;
      },
    });
  }

  /**
   * One of several connections (multifd) ended in a bad moment: QEMU (7.2, at least) then waits for it for ever. It sends
   * nothing any more, and what is cancelled it will not complete: the guest is here.
   */
  async function neverEnds(): Promise<boolean> {
    if ((await memory()).status !== 'cancelling') return false;
    const now = await state();
    return now === 'running' || now === 'paused';
  }

  /** A refusal with those words says that it is not needed, or not any more. */
  async function unless(needless: RegExp, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isRefusal(error, needless)) throw error;
    }
  }

  // QEMU's main loop may hang for want of the very memory.
  const breakStream = () => unless(/postcopy-active|failed to pause/i, () => monitor.executeOutOfBand('migrate-pause'));

  return {
    memory,
    setMigrateParameters: setParameters,

    async startMemory(socketPath, parameters) {
      monitor.cutWhenStuck(true);
      // The pause begins with a flush of every disk: what is flushed now is not waited for then.
      await syncBackings(await graph.backings(), log);
      await setCapabilities({
        events: true,
        'return-path': true,
        'pause-before-switchover': true,
        'auto-converge': parameters.autoConverge,
        'postcopy-ram': parameters.postCopy === true,
        multifd: (parameters.multifdChannels ?? 0) > 0,
      });
      await setChannels(parameters.multifdChannels);
      // QEMU's defaults, whatever they are in the next version.
      if (parameters.autoConverge) await monitor.execute('migrate-set-parameters', AUTO_CONVERGE);
      await setParameters({
        bandwidthBytesPerSecond: parameters.bandwidthBytesPerSecond ?? 0,
        downtimeLimitMs: parameters.downtimeLimitMs,
      });
      log.info({ machine: monitor.machine }, 'sending memory');
      await monitor.execute('migrate', { uri: `unix:${socketPath}` });
    },

    async startPostCopy() {
      log.info({ machine: monitor.machine }, 'going on by post-copy');
      await monitor.execute('migrate-start-postcopy');
    },

    async continueSwitchover() {
      // QEMU answers nobody while it sends the rest: however long that takes, it is at work.
      monitor.cutWhenStuck(false);
      await monitor.execute('migrate-continue', { state: 'pre-switchover' });
    },

    breakStream,

    async endStream() {
      if ((await memory()).status !== 'postcopy-active') return true;
      await breakStream();
      const left = async () => ((await memory()).status === 'postcopy-active' ? undefined : true);
      const late = async () => ((await memory()).bytesRemaining > 0 ? undefined : false);
      return monitor.until<boolean>(left, { what: 'The end of the broken stream', timeoutMs: CANCEL_MS, late });
    },

    async sendMemoryAgain(socketPath) {
      const isPaused = async () => (await memory()).status === 'postcopy-paused';
      if (!(await isPaused())) return true;
      log.info({ machine: monitor.machine }, 'sending memory again');
      await unless(/no paused/i, () => monitor.execute('migrate', { uri: `unix:${socketPath}`, resume: true }));
      const connected = async () => ((await isPaused()) ? undefined : true);
      const late = () => Promise.resolve(false);
      return monitor.until<boolean>(connected, { what: 'Connecting again', timeoutMs: CONNECT_MS, late });
    },

    async acceptMemoryAgain(socketPath) {
      // QEMU's main loop may hang for want of the very memory.
      await monitor.executeOutOfBand('migrate-recover', { uri: `unix:${socketPath}` });
    },

    async takeMemoryBack(socketPath) {
      if ((await memory()).status !== 'postcopy-paused') return;
      log.info({ machine: monitor.machine }, 'taking a guest back whose post-copy broke');
      const blocks = ramBlockSizes(await monitor.execute('human-monitor-command', { 'command-line': 'info ramblock' }));
      await using sink = await openMemorySink(socketPath, blocks);
      await monitor.execute('migrate', { uri: `unix:${socketPath}`, resume: true });
      await untilItGoesOn(monitor, memory, sink);
      await cancel();
    },

    async cancelMemory() {
      // Neither the memory's peer nor that of a disk copy may keep the guest: the copy is of no use without the memory.
      await monitor.orCut(CANCEL_PATIENCE_MS, async () => {
        if (await afterCancel()) return;
        await cancel();
      });
    },

    async acceptMemory(socketPath, options = {}) {
      await syncBackings(await graph.backings(), log);
      // With late-block-activate the disks stay untouched until somebody resumes the guest.
      await setCapabilities({
        events: true,
        'return-path': true,
        'pause-before-switchover': true,
        'late-block-activate': true,
        multifd: (options.multifdChannels ?? 0) > 0,
      });
      await setChannels(options.multifdChannels);
      const postCopy = options.postCopy === true && (await allowPostCopy());
      await monitor.execute('migrate-incoming', { uri: `unix:${socketPath}` });
      return { postCopy };
    },
  };
}
