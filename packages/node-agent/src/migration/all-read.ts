/**
 * Resolves when what other processes had said by now has been read: a carrier says why a connection ended before it ends
 * QEMU's, but whoever sees QEMU end may do so in the same turn of the event loop, and first.
 */
export async function allRead(): Promise<void> {
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
