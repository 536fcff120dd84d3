const BASE_MS = 30_000;
/** Both sides read and hash at the same time, on processors that they may share. */
const SLOWEST_BYTES_PER_SECOND = 32 * 2 ** 20;

/** Longest time for which a guest stands still while `bytes` of its disks are compared: 30 s, and a second for each 32 MiB. */
export function verificationBudgetMs(bytes: number): number {
  return BASE_MS + Math.ceil((bytes / SLOWEST_BYTES_PER_SECOND) * 1000);
}
