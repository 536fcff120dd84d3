import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MirrorProgress } from '@godwit/hypervisor';
import {
  copyDeadline,
  observeConvergence,
  startConvergence,
  type ConvergencePolicy,
  type ProgressReading,
} from '@godwit/migration';
import type { Carrier } from '@godwit/migration-link';
import type { Call } from './wire.ts';

const LOOK_MS = 100;
/** The target must prove that it lives before the mirrors are finished: a dead one would stall the paused guest. */
const ALIVE_MS = 1500;
/** An answer to a question asked this short a time ago is proof enough. */
const ALIVE_FRESH_MS = 500;
const ALIVE_EVERY_MS = 200;
const STOP_EXPORT_MS = 5000;

export interface SourceCopyOptions {
  readonly machine: Machine;
  readonly copyDisks: readonly string[];
  readonly policy: ConvergencePolicy;
  /** Being started; closed by whoever started it. */
  readonly carrier: Promise<Carrier>;
  readonly call: (call: Call, timeoutMs: number) => Promise<void>;
  readonly report: (reading: Omit<ProgressReading, 'atMs'>) => void;
  readonly mark: (step: string) => void;
  readonly onPaused: () => void;
  readonly onSent: () => void;
  readonly onFailed: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SourceCopy {
  /** No further step begins. Does not touch the guest. */
  stop(): void;
  /** Resolves when nothing of it is under way any more. */
  readonly over: Promise<void>;
}

/**
 * Copies disks and memory until QEMU has sent everything: mirrors, all at once, until all are in sync; then memory, with the
 * downtime limit rising, until QEMU stops the guest; then the switchover. Reports exactly one of `onSent` and `onFailed`,
 * and decides nothing: what a failure means is the handover's business.
 */
export function startSourceCopy(options: SourceCopyOptions): SourceCopy {
  const { machine, copyDisks, policy, clock, log, mark } = options;
  const stopped = new AbortController();
  const { signal } = stopped;
  let carrierLost: string | undefined;
  let nudged = false;
  let wake = () => {};
  const nudge = () => {
    nudged = true;
    wake();
  };
  const unsubscribe = machine.onEvent((event) => {
    if (event.type === 'migration' || event.type === 'memory-pass' || event.type === 'job' || event.type === 'exited')
      nudge();
  });
  /**
   * Resolves with the next event of QEMU, or after a short time: every wait looks at the world, none relies on events.
   * An event during the last look counts too, else the guest would stand still for nothing.
   */
  const next = async () => {
    if (!nudged)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(LOOK_MS, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
    nudged = false;
  };
  const check = () => {
    signal.throwIfAborted();
    if (carrierLost !== undefined) throw failure(carrierLost);
  };

  async function run(): Promise<void> {
    const carrier = await options.carrier;
    const { sockets } = carrier;
    carrier.onExit((reason) => {
      carrierLost = reason;
      nudge();
    });
    mark('carrier');
    const watch = deadlineWatch(options);
    await copyDisksInSync(sockets.block, watch);
    mark('disks in sync');
    check();
    await sendMemory(sockets.memory, watch);
    await switchOver();
  }

  async function copyDisksInSync(socketPath: string, watch: (bytesTotal: number, bytesDone: number) => void) {
    const speed = policy.bandwidthBytesPerSecond;
    for (const disk of copyDisks) {
      check();
      const target = { kind: 'nbd' as const, socketPath, export: disk };
      await machine.startMirror(disk, target, speed === undefined ? {} : { bandwidthBytesPerSecond: speed });
    }
    for (;;) {
      check();
      const mirrors = await soundMirrors();
      options.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading) });
      if (mirrors.length === copyDisks.length && mirrors.every((mirror) => mirror.ready)) return;
      watch(sum(mirrors.map((mirror) => mirror.bytesTotal)), sum(mirrors.map((mirror) => mirror.bytesDone)));
      await next();
    }
  }

  async function soundMirrors(): Promise<readonly MirrorProgress[]> {
    if (copyDisks.length === 0) return [];
    const mirrors = (await machine.mirrors()).filter((mirror) => copyDisks.includes(mirror.disk));
    for (const mirror of mirrors) {
      if (mirror.nospace) throw failure(`The target of disk ${mirror.disk} is full`);
      if (mirror.error !== undefined) throw failure(`Copying disk ${mirror.disk} failed: ${mirror.error}`);
    }
    if (mirrors.length < copyDisks.length) throw failure('A disk copy vanished');
    return mirrors;
  }

  async function sendMemory(socketPath: string, watch: (bytesTotal: number, bytesDone: number) => void) {
    let convergence = startConvergence(policy, clock.now());
    await machine.startMemory(socketPath, {
      downtimeLimitMs: convergence.limitMs,
      autoConverge: policy.autoConverge,
      ...(policy.bandwidthBytesPerSecond === undefined
        ? {}
        : { bandwidthBytesPerSecond: policy.bandwidthBytesPerSecond }),
    });
    mark('memory started');
    let best = 0;
    for (;;) {
      check();
      const memory = await machine.memory();
      if (memory.status === 'pre-switchover') break;
      if (memory.status === 'failed' || memory.status === 'cancelled')
        throw failure(`Sending memory failed: ${memory.error ?? memory.status}`);
      best = Math.max(best, memory.bytesTotal - memory.bytesRemaining);
      options.report({
        stage: 'CopyingMemory',
        memory: {
          bytesTotal: memory.bytesTotal,
          bytesDone: best,
          dirtyBytesPerSecond: memory.dirtyBytesPerSecond,
          iteration: memory.iteration,
        },
      });
      watch(memory.bytesTotal, memory.bytesDone);
      const { limitMs } = convergence;
      const { iteration, bytesRemaining } = memory;
      convergence = observeConvergence(policy, convergence, { atMs: clock.now(), iteration, bytesRemaining });
      if (convergence.limitMs !== limitMs) {
        const downtimeLimitMs = convergence.limitMs;
        log.info({ downtimeLimitMs, iteration }, 'memory does not converge, raising the downtime limit');
        await machine.setMigrateParameters({ downtimeLimitMs });
      }
      askWhetherAlive();
      await soundMirrors();
      await next();
    }
    check();
    mark('paused');
    options.onPaused();
  }

  let askedAtMs = Number.NEGATIVE_INFINITY;
  let aliveAtMs = Number.NEGATIVE_INFINITY;
  /** Ahead of the pause, so that it need not be asked within; a question without an answer proves nothing. */
  function askWhetherAlive(): void {
    const nowMs = clock.now();
    if (nowMs - askedAtMs < ALIVE_EVERY_MS) return;
    askedAtMs = nowMs;
    options.call('alive', ALIVE_MS).then(
      () => (aliveAtMs = Math.max(aliveAtMs, nowMs)),
      () => undefined,
    );
  }

  /** The guest is paused: every millisecond counts. */
  async function switchOver(): Promise<void> {
    if (clock.now() - aliveAtMs > ALIVE_FRESH_MS) await options.call('alive', ALIVE_MS);
    check();
    await Promise.all(copyDisks.map((disk) => machine.finishMirror(disk)));
    mark('mirrors finished');
    check();
    if (copyDisks.length > 0) await options.call('stopExport', STOP_EXPORT_MS);
    mark('export stopped');
    check();
    await machine.continueSwitchover();
    for (;;) {
      check();
      const memory = await machine.memory();
      if (memory.status === 'completed') break;
      if (memory.status === 'failed' || memory.status === 'cancelled')
        throw failure(`Sending memory failed: ${memory.error ?? memory.status}`);
      await next();
    }
    mark('memory sent');
    options.onSent();
  }

  const over = run()
    .catch((error: unknown) => {
      if (!signal.aborted) options.onFailed(carrierLost ?? describeError(error));
    })
    .finally(unsubscribe);

  return {
    over,
    stop() {
      stopped.abort(failure('The migration was given up'));
      nudge();
    },
  };
}

/** Throws once the policy's deadlines are over. The total is the greatest that was seen. */
function deadlineWatch(options: SourceCopyOptions): (bytesTotal: number, bytesDone: number) => void {
  const { clock, policy } = options;
  const startedMs = clock.now();
  let movedMs = startedMs;
  let total = 0;
  let last = -1;
  return (bytesTotal, bytesDone) => {
    const now = clock.now();
    if (bytesDone !== last) movedMs = now;
    last = bytesDone;
    total = Math.max(total, bytesTotal);
    const late = copyDeadline(policy, { elapsedMs: now - startedMs, idleMs: now - movedMs, bytesTotal: total });
    if (late !== undefined) throw failure(late);
  };
}

export function volumeReading(mirror: MirrorProgress): { name: string; bytesTotal: number; bytesDone: number } {
  return { name: mirror.disk, bytesTotal: mirror.bytesTotal, bytesDone: mirror.bytesDone };
}

const failure = (reason: string) => new GodwitError('MIGRATION_COPY_FAILED', reason);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
