import { isSameProcessAlive, type ProcessIdentity } from '@godwit/core/process-identity';

/** Resolves with whether the process ended within `timeoutMs`. QEMU is not always our child, so there is no event. */
export async function processEnd(qemu: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 2; isSameProcessAlive(qemu); pauseMs = Math.min(pauseMs * 1.5, 100)) {
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return true;
}
