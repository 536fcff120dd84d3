import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MemoryProgress, RunState } from '@godwit/hypervisor';
import { takeMemoryBack } from './take-memory-back.ts';
import { liftWriteLimits } from '../disks/write-limits.ts';

const RETRY_MS = 100;
/** After this it is more than a hiccup. */
const HICCUP_MS = 2000;
/** What can be cancelled. A migration that QEMU completed is taken back by resuming, and stays `completed` afterwards. */
const UNDER_WAY: readonly MemoryProgress['status'][] = [
  'setup',
  'active',
  'pre-switchover',
  'device',
  'postcopy-active',
  'cancelling',
];
/** Part of the guest is on the target, or may be at any moment. */
const SPLIT: readonly MemoryProgress['status'][] = ['pre-switchover', 'device', 'postcopy-active', 'postcopy-paused'];
/** Running, or stopped for a reason of the guest's own. */
const AT_REST: readonly RunState[] = ['running', 'shutdown', 'io-error', 'internal-error'];

/**
 * Makes the guest run here again, whatever phase a migration was in, and removes what the migration attached. Tries until
 * QEMU runs the guest or is gone; a guest that stopped for a reason of its own (shut down, disk error) is left as it is.
 *
 * First it cuts every connection to the target: a QEMU that waits for an answer from there, as it does when it pauses the
 * guest and when it cleans up after a migration, hears nothing else meanwhile.
 */
export async function restoreSource(
  machine: Machine | undefined,
  copyDisks: readonly string[],
  log: Logger,
  hindered?: (why: string | undefined) => void,
  /** Nobody waits for it any longer: the next failure is the last. */
  stopped?: AbortSignal,
  /** Post-copy may have begun: QEMU gives the guest back only while its connection to the target is whole. */
  maybeSplit = false,
  /** Somebody had paused the guest: it stays paused. */
  paused = false,
): Promise<'running' | 'gone'> {
  if (machine === undefined) return 'gone';
  let why = 'QEMU does not answer';
  let told = false;
  const late = setTimeout(() => {
    told = true;
    hindered?.(`The guest cannot be made to run here again: ${why}`);
  }, HICCUP_MS);
  try {
    for (;;) {
      try {
        if (!maybeSplit || !SPLIT.includes((await machine.memory()).status)) await machine.cutLinks();
        if (UNDER_WAY.includes((await machine.memory()).status)) await machine.cancelMemory();
        const untold = (reason: string): void => void (why = reason);
        if (!(await takeMemoryBack(machine, { log, hindered: untold, stopped }))) return 'gone';
        const state = await machine.state();
        if (state === 'gone') return 'gone';
        // What QEMU has handed over whole it takes back by running only.
        if (state === 'postmigrate' || (state === 'paused' && !paused)) await machine.resume();
        if (paused && (await machine.state()) === 'running') await machine.pause();
        const now = await machine.state();
        if (!AT_REST.includes(now) && !(paused && now === 'paused')) throw new Error(`The machine is in ${now}`);
        // The guest runs: the jobs of its disks have time.
        for (const disk of copyDisks) await machine.cancelMirror(disk);
        // Whoever limited them may not have lived to tell.
        await liftWriteLimits(machine, copyDisks);
        return 'running';
      } catch (error) {
        if ((await machine.state().catch(() => undefined)) === 'gone') return 'gone';
        stopped?.throwIfAborted();
        why = describeError(error);
        log.warn({ error: why }, 'the source does not run yet');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  } finally {
    clearTimeout(late);
    if (told) hindered?.(undefined);
  }
}
