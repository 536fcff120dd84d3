import { findCondition, names, resources } from '@godwit/api';
import type { Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import type { KubeClient } from '@godwit/kube-client';
import { namespace } from './objects.ts';

export type Migration = Stored<VirtualMachineInstanceMigration>;

export interface FollowOptions {
  readonly vmiName: string;
  /** UIDs of migrations that are not the one meant. */
  readonly known: ReadonlySet<string>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onChange: (migration: Migration) => void;
}

/** UIDs of every migration that this guest has had so far. */
export async function knownMigrations(client: KubeClient, vmiName: string): Promise<ReadonlySet<string>> {
  const options = { namespace, labelSelector: `${names.vmiNameLabel}=${vmiName}` };
  const { items } = await client.list<VirtualMachineInstanceMigration>(
    resources.virtualMachineInstanceMigrations,
    options,
  );
  return new Set(items.map((item) => item.metadata.uid));
}

/**
 * Watches for the guest's next migration, whoever creates it, and resolves with it once it succeeded. Rejects with
 * `DEMO_MOVE_FAILED` when it failed, vanished or took too long, and with the signal's reason.
 */
export async function followMigration(client: KubeClient, options: FollowOptions): Promise<Migration> {
  const { promise, resolve, reject } = Promise.withResolvers<Migration>();
  const stop = new AbortController();
  let last: Migration | undefined;
  const fail = (why: string): void =>
    reject(new GodwitError('DEMO_MOVE_FAILED', `Migration ${last?.metadata.name ?? `of ${options.vmiName}`} ${why}`));
  const timer = setTimeout(
    () => fail(`did not finish within ${options.timeoutMs / 1000} s (phase ${last?.status?.phase ?? 'none'})`),
    options.timeoutMs,
  );
  const aborted = (): void => reject(options.signal.reason as Error); // the demo aborts with errors only
  options.signal.addEventListener('abort', aborted, { once: true });
  client.watch<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    namespace,
    labelSelector: `${names.vmiNameLabel}=${options.vmiName}`,
    signal: stop.signal,
    onEvent: ({ type, object }) => {
      if (options.known.has(object.metadata.uid)) return;
      last = object;
      options.onChange(object);
      if (object.status?.phase === 'Succeeded') resolve(object);
      else if (object.status?.phase === 'Failed') fail(`failed: ${failureOf(object)}`);
      else if (type === 'DELETED') fail(`was deleted in phase ${object.status?.phase ?? 'none'}`);
    },
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', aborted);
    stop.abort();
  }
}

/** Why a migration failed, in the words of whoever failed it. */
export function failureOf({ status }: VirtualMachineInstanceMigration): string {
  const said = status?.migrationState?.failureReason ?? findCondition(status?.conditions, 'migrationFailed')?.message;
  return said ?? 'no reason was given';
}
