export interface MemoryProgress {
  readonly status:
    | 'none'
    | 'setup'
    | 'active'
    | 'pre-switchover'
    | 'device'
    | 'postcopy-active'
    /** The stream broke after post-copy had begun: what is missing on the other side waits for `sendMemoryAgain`. */
    | 'postcopy-paused'
    /** Both sides are being joined again. */
    | 'postcopy-recover'
    | 'completed'
    | 'failed'
    | 'cancelling'
    | 'cancelled';
  readonly bytesTotal: number;
  /** Sent so far, pages sent again included and zero pages not; for a ratio use `bytesRemaining`. */
  readonly bytesDone: number;
  readonly bytesRemaining: number;
  readonly dirtyBytesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly iteration: number;
  readonly expectedDowntimeMs?: number;
  /** Present while the guest's processors are held back so that memory converges: how much of their time. */
  readonly throttlePercent?: number;
  /** QEMU's figure, once completed. */
  readonly downtimeMs?: number;
  readonly error?: string;
}

export interface MigrateParameters {
  /** 0 or absent: unlimited. */
  readonly bandwidthBytesPerSecond?: number;
  readonly downtimeLimitMs: number;
  /** Holds the guest's processors back, more and more, while it dirties memory faster than it is sent. */
  readonly autoConverge: boolean;
  /** `startPostCopy` may follow; the target must have accepted memory so, too. */
  readonly postCopy?: boolean;
  /** Connections beside the main one that carry pages (multifd), as the target has accepted; 0 or absent: none. */
  readonly multifdChannels?: number;
}

/** The source's half of what moves a guest to another machine, beside its disks. */
export interface MemorySending {
  /** Starts sending memory to a unix socket; QEMU will stop at pre-switchover with the vCPUs paused. */
  startMemory(socketPath: string, parameters: MigrateParameters): Promise<void>;
  memory(): Promise<MemoryProgress>;
  setMigrateParameters(
    parameters: Partial<Pick<MigrateParameters, 'bandwidthBytesPerSecond' | 'downtimeLimitMs'>>,
  ): Promise<void>;
  /**
   * Memory need not converge any more: QEMU stops the guest at pre-switchover as soon as it can, and sends what is left
   * after `continueSwitchover`, behind the processors' state. From then on (`postcopy-active`) neither side has all of the
   * guest until `completed`; `cancelMemory` is possible only while the stream is whole, and needs a `resume` afterwards.
   */
  startPostCopy(): Promise<void>;
  /** Post-copy, on either side: nothing comes or goes on this stream any more. Nothing happens when there is none. */
  breakStream(): Promise<void>;
  /**
   * Post-copy: the stream is broken, though QEMU may not have seen it: resolves when it has; with false when it does not, because
   * it has sent everything and waits for the target to say that all has arrived, which QEMU (7.2 at least) then does for ever.
   */
  endStream(): Promise<boolean>;
  /**
   * Post-copy, when the stream broke: sends what is left through another unix socket, on which the target listens again.
   * Resolves with whether QEMU has connected there; before QEMU 8.2 that connection must last until the status is
   * `postcopy-active` again, otherwise QEMU never gets there. Nothing happens unless it waits for that.
   */
  sendMemoryAgain(socketPath: string): Promise<boolean>;
  /**
   * Post-copy, when the stream broke before the target ran the guest: undoes it, by way of that unix socket, on which nobody may
   * listen. `resume` succeeds afterwards, once nobody else has the disks. Nothing happens in any other state. May take minutes on
   * a busy host. Where it fails with QEMU still `postcopy-paused` it can be tried again; a QEMU before 8.2 that stays
   * `postcopy-recover` is lost.
   */
  takeMemoryBack(socketPath: string): Promise<void>;
  /** From pre-switchover: send the rest. The vCPUs stay stopped. */
  continueSwitchover(): Promise<void>;
  /**
   * Before `completed`: QEMU resumes the guest by itself. Idempotent. Cuts every link should QEMU hang on one, those of
   * disk copies too; `cutLinks` before spares the guest that wait. A migration that does not end in QEMU, with its guest at
   * hand, counts as cancelled after five seconds: it stays `cancelling`, and `startMemory` is refused for as long as this QEMU
   * lives.
   */
  cancelMemory(): Promise<void>;
}
