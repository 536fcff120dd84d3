import type { DiskBacking } from './disk-backing.ts';
import type { Machine } from './machine.ts';
import type { MachineSpec } from './machine-spec.ts';

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

/**
 * What Godwit needs of a virtual machine monitor. Every method, of a machine too, rejects with a `HYPERVISOR_*` GodwitError;
 * the docstrings say what state the guest is in afterwards.
 */
export interface Hypervisor {
  readonly version: { readonly major: number; readonly minor: number; readonly micro: number; readonly text: string };
  launch(options: LaunchOptions): Promise<Machine>;
  /** Connects to a machine that an earlier process of ours launched there; undefined when it no longer runs. */
  adopt(directory: string): Promise<Machine | undefined>;
  /**
   * Kills what was launched there, whether it answers or not. Resolves when that process is gone; rejects with
   * `HYPERVISOR_TIMEOUT` when it has not gone yet. Idempotent.
   */
  end(directory: string): Promise<void>;
}
