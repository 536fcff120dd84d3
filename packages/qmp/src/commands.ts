/**
 * The QMP commands Godwit uses, with the members it reads; names and meanings are QEMU's
 * (qemu/qemu:qapi/*.json). Replies are trusted to follow QEMU's own schema and are not validated again.
 */
export interface QmpCommands {
  qmp_capabilities: Command<{ enable?: readonly string[] }>;
  quit: Command;
  cont: Command;
  stop: Command;
  system_reset: Command;
  system_powerdown: Command;
  'query-status': Command<undefined, { status: string; running: boolean }>;
  'query-version': Command<undefined, { qemu: { major: number; minor: number; micro: number }; package: string }>;
  'query-cpu-definitions': Command<
    undefined,
    readonly { readonly name: string; readonly 'unavailable-features'?: readonly string[] }[]
  >;
  'query-commands': Command<undefined, readonly { readonly name: string }[]>;
  'query-machines': Command<undefined, readonly { readonly name: string }[]>;
  'human-monitor-command': Command<{ 'command-line': string }, string>;

  'query-block': Command<undefined, readonly BlockInfo[]>;
  'query-named-block-nodes': Command<{ flat?: boolean } | undefined, readonly BlockNode[]>;
  'blockdev-add': Command<BlockdevOptions>;
  'blockdev-del': Command<{ 'node-name': string }>;
  /** Options as for `blockdev-add`; children are kept by naming their nodes. */
  'blockdev-reopen': Command<{ options: readonly BlockdevOptions[] }>;
  /** Every limit must be named; 0 is none. `id` is the QOM path of the guest device. */
  block_set_io_throttle: Command<{
    id: string;
    bps: number;
    bps_rd: number;
    bps_wr: number;
    iops: number;
    iops_rd: number;
    iops_wr: number;
  }>;
  block_resize: Command<{ 'node-name': string; size: number }>;
  device_add: Command<{ driver: string; id: string; [property: string]: unknown }>;
  /** The device is gone when it is not listed any more, or with event DEVICE_DELETED. */
  device_del: Command<{ id: string }>;
  'blockdev-mirror': Command<{
    'job-id': string;
    device: string;
    target: string;
    granularity?: number;
    sync: 'full' | 'top' | 'none';
    'copy-mode': 'background' | 'write-blocking';
    'on-source-error': OnError;
    'on-target-error': OnError;
    'filter-node-name'?: string;
    'auto-dismiss'?: boolean;
    'auto-finalize'?: boolean;
    speed?: number;
  }>;
  /** Since QEMU 8.2; `query-commands` tells. */
  'block-job-change': Command<{ id: string; type: 'mirror'; 'copy-mode': 'write-blocking' }>;
  'query-block-jobs': Command<undefined, readonly BlockJob[]>;
  'query-jobs': Command<undefined, readonly Job[]>;
  'block-job-cancel': Command<{ device: string; force?: boolean }>;
  'block-job-complete': Command<{ device: string }>;
  'block-job-resume': Command<{ device: string }>;
  'block-job-set-speed': Command<{ device: string; speed: number }>;
  'job-dismiss': Command<{ id: string }>;
  'job-finalize': Command<{ id: string }>;
  'nbd-server-start': Command<{ addr: { type: 'unix'; data: { path: string } }; 'max-connections'?: number }>;
  'nbd-server-stop': Command;
  'block-export-add': Command<{ type: 'nbd'; id: string; 'node-name': string; name: string; writable: boolean }>;
  'query-block-exports': Command<undefined, readonly { id: string; 'node-name': string; 'shutting-down': boolean }[]>;
  yank: Command<{ instances: readonly YankInstance[] }>;
  'query-yank': Command<undefined, readonly YankInstance[]>;

  migrate: Command<{ uri: string; resume?: boolean }>;
  'migrate-incoming': Command<{ uri: string }>;
  'migrate-set-capabilities': Command<{ capabilities: readonly { capability: string; state: boolean }[] }>;
  'query-migrate-capabilities': Command<undefined, readonly { capability: string; state: boolean }[]>;
  'migrate-set-parameters': Command<{
    'max-bandwidth'?: number;
    'max-postcopy-bandwidth'?: number;
    'downtime-limit'?: number;
    'cpu-throttle-initial'?: number;
    'cpu-throttle-increment'?: number;
    'max-cpu-throttle'?: number;
    'multifd-channels'?: number;
  }>;
  'migrate-continue': Command<{ state: 'pre-switchover' }>;
  'migrate-start-postcopy': Command;
  'migrate-recover': Command<{ uri: string }>;
  'migrate-pause': Command;
  migrate_cancel: Command;
  'query-migrate': Command<undefined, MigrationInfo>;
}

interface Command<Arguments = undefined, Return = object> {
  arguments: Arguments;
  return: Return;
}

export type CommandName = keyof QmpCommands;
export type CommandArguments<Name extends CommandName> = QmpCommands[Name]['arguments'];
export type CommandReturn<Name extends CommandName> = QmpCommands[Name]['return'];

export type OnError = 'report' | 'ignore' | 'enospc' | 'stop';

/** The commands that QEMU carries out even while its main loop hangs. */
export type OutOfBandCommand = 'yank' | 'query-yank' | 'migrate-recover' | 'migrate-pause';

export type YankInstance =
  | { readonly type: 'block-node'; readonly 'node-name': string }
  | { readonly type: 'chardev'; readonly id: string }
  | { readonly type: 'migration' };

/** Options of one block node; `file` is a child node's name or its options in place. */
export interface BlockdevOptions {
  readonly driver: string;
  readonly 'node-name': string;
  readonly [option: string]: unknown;
}

export interface BlockInfo {
  readonly device: string;
  /** QOM path or id of the guest device that uses it. */
  readonly qdev?: string;
  readonly inserted?: { readonly 'node-name'?: string; readonly file: string; readonly ro: boolean };
}

export interface BlockNode {
  readonly 'node-name'?: string;
  readonly file: string;
  readonly drv: string;
  readonly ro: boolean;
  readonly image: { readonly 'virtual-size': number; readonly filename: string };
}

export interface BlockJob {
  readonly device: string;
  readonly type: string;
  readonly len: number;
  readonly offset: number;
  readonly busy: boolean;
  readonly paused: boolean;
  readonly ready: boolean;
  readonly speed: number;
  readonly 'io-status': 'ok' | 'failed' | 'nospace';
  readonly status: JobStatus;
  readonly error?: string;
}

export type JobStatus =
  | 'undefined'
  | 'created'
  | 'running'
  | 'paused'
  | 'ready'
  | 'standby'
  | 'waiting'
  | 'pending'
  | 'aborting'
  | 'concluded'
  | 'null';

export interface Job {
  readonly id: string;
  readonly type: string;
  readonly status: JobStatus;
  readonly error?: string;
}

/** Everything is absent before the first migration. */
export interface MigrationInfo {
  readonly status?: string;
  readonly 'error-desc'?: string;
  readonly 'total-time'?: number;
  /** Milliseconds; only once completed. */
  readonly downtime?: number;
  readonly 'expected-downtime'?: number;
  /** Present while auto-converge throttles. */
  readonly 'cpu-throttle-percentage'?: number;
  readonly ram?: {
    readonly total: number;
    readonly transferred: number;
    readonly remaining: number;
    readonly 'dirty-pages-rate': number;
    readonly 'page-size': number;
    /** Megabits per second. */
    readonly mbps: number;
    readonly 'dirty-sync-count': number;
  };
}
