/**
 * What Godwit needs of a virtual machine monitor. One `Machine` is one process that holds at most one guest.
 * Every method rejects with a `HYPERVISOR_*` GodwitError; the docstrings say what state the guest is in afterwards.
 */

/** The guest-visible machine, free of any host path: two sides of a migration must agree on all of it. */
export interface MachineSpec {
  readonly name: string;
  readonly uuid: string;
  /** Versioned, for example `pc-q35-7.2`. */
  readonly machineType: string;
  readonly cpu: { readonly model: string; readonly sockets: number; readonly cores: number; readonly threads: number };
  /** Exact RAM size. Under TCG before QEMU 9.0 it must not be a multiple of 256 (KiB), see `guestMemoryKiB`. */
  readonly memoryKiB: number;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  readonly rng: boolean;
  readonly serial: string | undefined;
  /** There is a SCSI controller from the start, so that disks can come and go; absent: only when a disk needs one. */
  readonly hotplug?: boolean;
}

/** Where a disk is in its machine, whatever others come and go. */
export interface DiskPlace {
  /** Names its block nodes. */
  readonly node: number;
  /** On its bus. */
  readonly unit: number;
}

export interface DiskSpec {
  /** The KubeVirt volume name; also the block node name prefix and device id. */
  readonly name: string;
  readonly device: 'disk' | 'cdrom';
  readonly bus: 'virtio' | 'sata' | 'scsi';
  readonly readOnly: boolean;
  readonly serial?: string;
  readonly bootOrder?: number;
  readonly cache: 'none' | 'writeback' | 'writethrough';
  /** Guest-visible size; a larger file or device behind it stays hidden. */
  readonly sizeBytes: number;
  /** Absent: the order of `disks` says it. */
  readonly place?: DiskPlace;
}

export interface NicSpec {
  readonly name: string;
  readonly mac: string;
  readonly model: 'virtio-net-pci' | 'e1000';
  /** `user`: NAT as KubeVirt's masquerade: guest 10.0.2.2, gateway 10.0.2.1. */
  readonly backend: 'user';
  readonly forwards: readonly {
    readonly protocol: 'tcp' | 'udp';
    readonly hostPort: number;
    readonly guestPort: number;
  }[];
}

/** Where a disk's bytes are on this host. */
export interface DiskBacking {
  readonly name: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  /** `file` for image files, `host_device` for block devices. */
  readonly driver: 'file' | 'host_device';
  readonly readOnly: boolean;
}

export type Acceleration = 'kvm' | 'tcg';

export interface LaunchOptions {
  readonly spec: MachineSpec;
  readonly backings: readonly DiskBacking[];
  readonly acceleration: Acceleration;
  /** Directory for sockets, pid file, logs; must exist, be short enough for unix sockets, and be private (0700). */
  readonly directory: string;
  /** `incoming`: wait, paused, for a migration; nothing executes until `resume`. */
  readonly mode: 'boot' | 'boot-paused' | 'incoming';
}

export type RunState =
  | 'running'
  | 'paused'
  | 'incoming'
  | 'postmigrate'
  | 'finish-migrate'
  | 'shutdown'
  | 'io-error'
  | 'internal-error'
  | 'gone';

export type MachineEvent =
  | {
      readonly type: 'resumed' | 'stopped' | 'shutdown' | 'reset' | 'exited';
      readonly atMs: number;
      readonly guestInitiated?: boolean;
    }
  | { readonly type: 'disk-error'; readonly atMs: number; readonly disk: string; readonly nospace: boolean }
  | { readonly type: 'migration'; readonly atMs: number; readonly status: string }
  /** Sending memory begins another pass over it. */
  | { readonly type: 'memory-pass'; readonly atMs: number; readonly iteration: number }
  | {
      readonly type: 'job';
      readonly atMs: number;
      /** Name of the disk that the mirror copies. */
      readonly id: string;
      readonly status: 'ready' | 'completed' | 'cancelled' | 'error';
      readonly error?: string;
    };

export interface MirrorProgress {
  readonly disk: string;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  /** In sync but for what the guest has just written. */
  readonly ready: boolean;
  /** Prepared for its pivot: the guest's requests wait. */
  readonly held?: boolean;
  /** Set once the job failed; the source disk is untouched. */
  readonly error?: string;
  /** The job waits because the target is full; resumable. */
  readonly nospace: boolean;
}

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

export interface Machine {
  readonly pid: number;
  readonly directory: string;
  state(): Promise<RunState>;
  onEvent(listener: (event: MachineEvent) => void): () => void;
  resume(): Promise<void>;
  pause(): Promise<void>;
  /** Asks the guest by ACPI; returns at once. */
  powerDown(): Promise<void>;
  reset(): Promise<void>;
  /** Ends the process now (QMP quit, then SIGKILL). Resolves when the process is gone. */
  kill(): Promise<void>;
  exited(): Promise<void>;
  /**
   * What each disk uses now, as QEMU sees it: after a pivot (ours or a predecessor's) it is the mirror's target.
   * While a mirror runs it is still the old one.
   */
  backings(): Promise<readonly DiskBacking[]>;
  /**
   * Shows the guest a bigger disk: all of the raw image or device behind it, whose length must be `sizeBytes` exactly. The
   * guest is told at once and runs on. Rejects while the disk is copied. Idempotent. `spec` says the old size still.
   */
  resizeDisk(disk: string, sizeBytes: number): Promise<void>;
  /** The machine with the disks that it has now; sizes are those from when they joined. */
  spec(): MachineSpec;
  /**
   * Shows the guest one more disk, on the SCSI bus. Resolves with the machine as it is then: the disk's place is in it.
   * Idempotent. After failure the disk is not there, or `spec` says that it is.
   */
  attachDisk(disk: DiskSpec, backing: DiskBacking): Promise<MachineSpec>;
  /**
   * Takes a disk on the SCSI bus away from the guest, and closes its file. What the guest was told is written is in the
   * file then. Resolves with the machine as it is then. Idempotent. Rejects while the disk is copied.
   */
  detachDisk(disk: string): Promise<MachineSpec>;
  /** Lets go of the guest without touching it; `adopt` takes it up again. No event follows, `exited` stays pending. */
  disconnect(): void;

  // Source of a migration
  /**
   * Starts copying a disk to `target` while the guest runs. Resolves when the job exists.
   * After failure the guest runs on and nothing is attached.
   * The guest stands still while QEMU shakes hands with an NBD target (at most 1 s): have the link to it open already.
   * From then on a QEMU that hangs on its peers for seconds has its links cut, and the copies fail.
   */
  startMirror(
    disk: string,
    target: MirrorTarget,
    options?: { bandwidthBytesPerSecond?: number; synchronous?: boolean },
  ): Promise<void>;
  /**
   * Copies a disk to the same NBD target anew, as `startMirror` does, once everything that the present mirror has under
   * way is answered. After failure there is no mirror; it may be started again only to another target.
   */
  restartMirror(
    disk: string,
    target: MirrorTarget,
    options?: { bandwidthBytesPerSecond?: number; synchronous?: boolean },
  ): Promise<void>;
  /**
   * From now on every write of the guest goes to both sides of a mirror that was started without: what is left only
   * shrinks then. Where QEMU can (since 8.2) the mirror goes on so; else it is started anew, as by `restartMirror`.
   */
  synchroniseMirror(
    disk: string,
    target: MirrorTarget,
    options?: { bandwidthBytesPerSecond?: number },
  ): Promise<'changed' | 'restarted'>;
  /** Whether `synchroniseMirror` need not copy anything anew. */
  changesMirrors(): Promise<boolean>;
  /**
   * What the guest may write to a disk from now on, in bytes per second that a mirror has to copy, reckoning each write as
   * what is copied at once; 0: as much as it likes, at once. Idempotent. Lasts until it is taken back, also when whoever
   * limited it dies, and has no effect while the guest is paused. Another QEMU of the guest knows nothing of it.
   */
  limitWrites(disk: string, bytesPerSecond: number): Promise<void>;
  mirrors(): Promise<readonly MirrorProgress[]>;
  /**
   * Ends a ready mirror so that the target is complete; rejects when it is not. For cross-process moves, with the guest
   * paused, so it does only what must be done then: what is left goes with `cancelMirror`, or with the process.
   */
  finishMirror(disk: string): Promise<void>;
  /** Bytes per second from now on; 0: unlimited. A synchronous mirror's copies of what the guest writes are not limited. */
  setMirrorSpeed(disk: string, bytesPerSecond: number): Promise<void>;
  /**
   * In place, for a mirror in sync: waits for a moment at which nothing is left to copy and holds the guest's requests
   * for this disk from then on. Old and new are equal, and stay so until `commitPivot` or `cancelMirror`, even if QEMU
   * dies. Idempotent. After failure the mirror may hold the guest all the same: cancel it.
   */
  preparePivot(disk: string): Promise<void>;
  /**
   * After `preparePivot`: the guest's disk becomes the target, the old node is removed, the guest goes on. Idempotent as
   * long as the mirror is there. After failure the guest goes on too; `backings` tells where.
   */
  commitPivot(disk: string): Promise<void>;
  /**
   * Idempotent; the guest keeps using the old disk. Also clears away a mirror that failed. Cuts the connection to an NBD
   * target, so what was on its way may still be written there: copy to another process of the target, or not at all.
   * Rejects with `HYPERVISOR_TIMEOUT` while data is stuck on an NBD link that is open but not read from; the guest
   * runs on. Close the link, then call again. To close it first is always right.
   */
  cancelMirror(disk: string): Promise<void>;
  /** Goes on with a mirror that waits because its target was full. */
  resumeMirror(disk: string): Promise<void>;
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
   * listen. `resume` succeeds afterwards, once nobody else has the disks. Nothing happens in any other state.
   */
  takeMemoryBack(socketPath: string): Promise<void>;
  /** From pre-switchover: send the rest. The vCPUs stay stopped. */
  continueSwitchover(): Promise<void>;
  /**
   * Before `completed`: QEMU resumes the guest by itself. Idempotent. Cuts every link should QEMU hang on one, those of
   * disk copies too; `cutLinks` before spares the guest that wait.
   */
  cancelMemory(): Promise<void>;
  /**
   * Cuts every connection that a migration has to its other side, even while QEMU hangs on one: whatever still waits for
   * the peer fails, and the guest does not care. For whoever gives the migration up. Idempotent.
   * Only what waits for room in a socket that nobody reads from goes on waiting: whoever has that must close it too.
   */
  cutLinks(): Promise<void>;

  // Target of a migration (mode `incoming`)
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

export type MirrorTarget =
  | { readonly kind: 'nbd'; readonly socketPath: string; readonly export: string }
  | { readonly kind: 'file'; readonly backing: DiskBacking };

export interface Hypervisor {
  readonly version: { readonly major: number; readonly minor: number; readonly micro: number; readonly text: string };
  launch(options: LaunchOptions): Promise<Machine>;
  /** Connects to a machine that an earlier process of ours launched there; undefined when it no longer runs. */
  adopt(directory: string): Promise<Machine | undefined>;
}
