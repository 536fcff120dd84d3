import type { DiskBacking } from './disk-backing.ts';

export type MirrorTarget =
  | { readonly kind: 'nbd'; readonly socketPath: string; readonly export: string }
  | { readonly kind: 'file'; readonly backing: DiskBacking };

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

/** Copies of the disks, made while the guest runs: to another machine, or to replace what is behind them. */
export interface DiskMirroring {
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
}
