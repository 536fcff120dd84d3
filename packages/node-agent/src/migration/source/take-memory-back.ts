import { join } from 'node:path';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MemoryProgress } from '@godwit/hypervisor';

type Status = MemoryProgress['status'];

/** Post-copy broke; `cancelMemory` would never end. */
const HELPLESS: readonly Status[] = ['postcopy-paused', 'postcopy-recover'];
const RETRY_MS = 1000;
/** For causes that pass, such as a full disk; as long as a stream that is torn later is joined again for. */
const RETRIED_MS = 300_000;
/** A QEMU that can leave `postcopy-recover` does so at once. */
const LEAVE_MS = 10_000;
const LOOK_MS = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Where post-copy broke before the target had the guest, gets QEMU to where it can be cancelled, or resumed; does nothing
 * anywhere else. False: QEMU is gone. One that does not let go of the guest is ended: it could never run here.
 */
export async function takeMemoryBack(
  machine: Machine,
  {
    log,
    hindered,
    stopped,
  }: { readonly log: Logger; readonly hindered: (why: string) => void; readonly stopped: AbortSignal | undefined },
): Promise<boolean> {
  const giveUpAt = performance.now() + RETRIED_MS;
  while (HELPLESS.includes((await machine.memory()).status)) {
    try {
      hindered('its connection to the target broke in post-copy, and QEMU is being told to keep the guest');
      await machine.takeMemoryBack(join(machine.directory, 'back.sock'));
    } catch (error) {
      if ((await machine.state().catch(() => undefined)) === 'gone') return false;
      const why = describeError(error);
      hindered(why);
      log.warn({ error: why }, 'a guest whose post-copy broke is not taken back yet');
    }
    const status = await afterRecovery(machine);
    if (!HELPLESS.includes(status)) return true;
    if (status === 'postcopy-recover' || performance.now() >= giveUpAt) {
      log.error({ status }, 'post-copy broke before the target had the guest: neither side can run it');
      await machine.kill();
      return false;
    }
    stopped?.throwIfAborted();
    await pause(RETRY_MS);
  }
  return true;
}

/** The status that QEMU has, or comes to from `postcopy-recover`, in which nobody is connected to it any more. */
async function afterRecovery(machine: Machine): Promise<Status> {
  const until = performance.now() + LEAVE_MS;
  for (;;) {
    const { status } = await machine.memory();
    if (status !== 'postcopy-recover' || performance.now() >= until) return status;
    await pause(LOOK_MS);
  }
}
