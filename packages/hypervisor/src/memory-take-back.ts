import type { MemoryProgress } from './contract/memory-sending.ts';
import { hypervisorError } from './errors.ts';
import type { MemorySink } from './memory-sink.ts';
import type { Monitor } from './monitor.ts';

/** On the own host; a QEMU that has not connected by then can be told so again. */
const CONNECT_MS = 60_000;
/** As long as a stream that is torn later is joined again for. */
const LIMIT_MS = 300_000;

/**
 * A QEMU that was told to go on to a sink compares with it what has arrived: resolves when it sends again. A connection that
 * ends before is the end of the guest (before QEMU 8.2), so that whoever is slow is waited for. Rejects when the sink has
 * failed, and with `HYPERVISOR_TIMEOUT`.
 */
export async function untilItGoesOn(
  monitor: Pick<Monitor, 'machine' | 'until'>,
  memory: () => Promise<Pick<MemoryProgress, 'status'>>,
  sink: Pick<MemorySink, 'failed'>,
): Promise<void> {
  let broken: { readonly error: unknown } | undefined;
  sink.failed.catch((error: unknown) => (broken = { error }));
  const connectBy = performance.now() + CONNECT_MS;
  const goesOn = async (): Promise<true | undefined> => {
    const { status } = await memory();
    if (status === 'postcopy-active') return true;
    if (broken) throw broken.error;
    if (status !== 'postcopy-paused' || performance.now() < connectBy) return undefined;
    throw hypervisorError('HYPERVISOR_TIMEOUT', `QEMU of ${monitor.machine} does not connect to go on`, {
      retry: 'backoff',
    });
  };
  await monitor.until(goesOn, { what: 'Going on', timeoutMs: LIMIT_MS });
}
