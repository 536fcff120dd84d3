import { observeConvergence, startConvergence } from '@godwit/migration';
import { failure, type CopyContext } from './copy-context.ts';
import { soundMirrors } from './copy-disks.ts';

/** Sends memory, with the downtime limit rising, until QEMU has stopped the guest for the switchover. */
export async function sendMemory(
  context: CopyContext,
  socketPath: string,
  watch: (bytesTotal: number, bytesDone: number) => void,
  askWhetherAlive: () => void,
): Promise<void> {
  const { machine, policy, clock, log } = context;
  let convergence = startConvergence(policy, clock.now());
  await machine.startMemory(socketPath, {
    downtimeLimitMs: convergence.limitMs,
    autoConverge: policy.autoConverge,
    ...(policy.bandwidthBytesPerSecond === undefined
      ? {}
      : { bandwidthBytesPerSecond: policy.bandwidthBytesPerSecond }),
  });
  context.mark('memory started');
  let best = 0;
  for (;;) {
    context.check();
    const memory = await machine.memory();
    if (memory.status === 'pre-switchover') return;
    if (memory.status === 'failed' || memory.status === 'cancelled')
      throw failure(`Sending memory failed: ${memory.error ?? memory.status}`);
    best = Math.max(best, memory.bytesTotal - memory.bytesRemaining);
    context.report({
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
    await soundMirrors(context);
    await context.next();
  }
}
