/** The target's half: of a machine launched with mode `incoming`. */
export interface MigrationReceiving {
  /** Opens an NBD server on a unix socket with one writable export per disk (export name = disk name). */
  exportDisks(socketPath: string, disks: readonly string[]): Promise<void>;
  stopExport(): Promise<void>;
  /**
   * Starts listening for memory on a unix socket. Resolves with whether it may come by post-copy, which hosts that keep
   * userfaultfd to themselves do not allow. By post-copy the machine is `paused`, with its disks open, as soon as it could run.
   */
  acceptMemory(
    socketPath: string,
    options?: { postCopy?: boolean; multifdChannels?: number },
  ): Promise<{ readonly postCopy: boolean }>;
  /**
   * Post-copy, when the stream broke: listens again, the machine running or not. A connection that waits to be taken from an
   * earlier call is lost. Rejects unless QEMU waits for that.
   */
  acceptMemoryAgain(socketPath: string): Promise<void>;
}
