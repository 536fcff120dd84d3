import type { MemoryProgress } from '@godwit/hypervisor';
import {
  explainJudgement,
  judge,
  memoryFailure,
  nextMemoryMeasure,
  observeConvergence,
  observePhase,
  startConvergence,
  watchAgain,
  watchPhase,
} from '@godwit/migration';
import { failure, type CopyContext } from '../copy-context.ts';
import { memoryBandwidth, requireMirrors } from '../disks/copy-disks.ts';
import { memoryReading } from './follow-memory.ts';

/** QEMU stops the guest for it as soon as it has sent what it is just sending. */
const POST_COPY_BEGINS_MS = 30_000;

/**
 * Sends memory until QEMU has stopped the guest for the switchover: with the downtime limit rising, and when that does
 * not help within the policy's time, by the measure that policy allows. Throws when there is none. The guest writes
 * `dirtyBytesPerSecond` to its disks meanwhile, where that is known.
 */
export async function sendMemory(
  context: CopyContext,
  socketPath: string,
  dirtyBytesPerSecond: number | undefined,
  askWhetherAlive: () => void,
): Promise<void> {
  const { machine, policy, clock, log } = context;
  let convergence = startConvergence(policy, clock.now());
  const bandwidthBytesPerSecond = await memoryBandwidth(context, dirtyBytesPerSecond);
  await machine.startMemory(socketPath, {
    downtimeLimitMs: convergence.limitMs,
    autoConverge: policy.autoConverge,
    postCopy: policy.allowPostCopy && context.postCopy() === 'possible',
    ...(context.multifdChannels !== undefined && { multifdChannels: context.multifdChannels }),
    ...(bandwidthBytesPerSecond === undefined ? {} : { bandwidthBytesPerSecond }),
  });
  context.mark('memory started');
  let phase = watchPhase('memory', clock.now());
  let paused = false;
  let postCopySinceMs: number | undefined;
  for (;;) {
    context.check();
    const memory = await machine.memory();
    if (memory.status === 'pre-switchover') return;
    if (memory.status === 'failed' || memory.status === 'cancelled')
      throw failure(`Sending memory failed: ${memory.error ?? memory.status}`);
    context.report({
      stage: 'CopyingMemory',
      memory: memoryReading(memory),
    });
    const atMs = clock.now();
    const { iteration, bytesRemaining } = memory;
    if (memory.bytesTotal > 0)
      phase = observePhase(
        { ...phase, sizeBytes: Math.max(phase.sizeBytes, memory.bytesTotal) },
        { atMs, bytesRemaining, pass: Math.max(1, iteration) },
      );
    if (postCopySinceMs !== undefined && atMs - postCopySinceMs > POST_COPY_BEGINS_MS)
      throw failure(`QEMU has not begun post-copy after ${POST_COPY_BEGINS_MS} ms`);
    const judgement = judge(policy, phase, atMs, paused);
    switch (nextMemoryMeasure(policy, { judgement, postCopy: context.postCopy(), paused })) {
      case 'wait':
        break;
      case 'post-copy':
        log.info({ judgement, iteration }, 'memory does not converge, switching to post-copy');
        await context.startPostCopy();
        postCopySinceMs = clock.now();
        break;
      case 'pause':
        log.info({ judgement, iteration }, 'memory does not converge, pausing the guest');
        await context.pauseGuest();
        paused = true;
        phase = watchAgain(phase, clock.now());
        break;
      case 'fail':
        if (judgement !== 'on')
          throw failure(
            memoryFailure(
              explainJudgement(policy, phase, atMs, judgement),
              figures(memory),
              policy,
              context.postCopyProblem?.(),
            ),
          );
    }
    const { limitMs } = convergence;
    convergence = observeConvergence(policy, convergence, { atMs, iteration, bytesRemaining });
    if (convergence.limitMs !== limitMs) {
      const downtimeLimitMs = convergence.limitMs;
      log.info({ downtimeLimitMs, iteration }, 'memory does not converge, raising the downtime limit');
      await machine.setMigrateParameters({ downtimeLimitMs });
    }
    askWhetherAlive();
    await requireMirrors(context);
    await context.next();
  }
}

function figures({ bytesRemaining, bytesPerSecond, dirtyBytesPerSecond }: MemoryProgress) {
  return { bytesRemaining, bytesPerSecond, dirtyBytesPerSecond };
}
