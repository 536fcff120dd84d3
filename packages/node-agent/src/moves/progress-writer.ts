import { resources } from '@godwit/api';
import type { MigrationProgress, VirtualMachineInstanceMigration } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { pause, type Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import { ifInTime } from '@godwit/core/in-time';
import type { Logger } from '@godwit/core/logger';
import { isNotFound, type KubeClient } from '@godwit/kube-client';

/** Writes the newest progress of one migration; figures that come too early or during a write replace each other. */
export interface ProgressWriter {
  readonly write: (progress: MigrationProgress) => void;
  /**
   * Resolves with what an earlier life has written, once the API server says; what is written later replaces that. `undefined`
   * when nothing was, when `stopped`, and when the object is gone, of which nothing is written any more.
   */
  readonly told: (stopped: () => boolean) => Promise<MigrationProgress | undefined>;
  /**
   * Writes what is still held back; resolves when nothing is left. Waits for `told` as well, for two seconds: what is to be
   * written may depend on it. Never rejects: progress is news, not state.
   */
  flush(): Promise<void>;
}

const kind = resources.virtualMachineInstanceMigrations;

/** Milliseconds from one write to the next. Every write wakes all who watch migrations, on the guest's own processors. */
const BETWEEN_MS = 500;
/** While the guest is paused nothing competes with the handover; status shown stays below a second old all the same. */
const PAUSED_MS = 900;

/** What is waited for the API server, between two questions and at the end. */
const PATIENCE_MS = 2000;

export function delayMs(stage: MigrationProgress['stage'], sinceLastMs: number): number {
  switch (stage) {
    case 'Done':
    case 'Failed':
      return 0;
    case 'SwitchingOver':
    case 'HandingOver':
      return Math.max(0, PAUSED_MS - sinceLastMs);
    case 'Preparing':
    case 'CopyingDisks':
    case 'CopyingMemory':
      return Math.max(0, BETWEEN_MS - sinceLastMs);
  }
}

/** A merge patch leaves alone what it does not name: figures that are told no more are taken away by name. */
export function mergePatch(before: MigrationProgress | undefined, next: MigrationProgress): object {
  const gone = (one: object = {}, other: object = {}) =>
    Object.fromEntries(
      Object.keys(one)
        .filter((key) => !(key in other))
        .map((key) => [key, null]),
    );
  const memory = next.memory && { memory: { ...gone(before?.memory, next.memory), ...next.memory } };
  return { ...gone(before, next), ...next, ...memory };
}

export function createProgressWriter(
  client: KubeClient,
  at: { readonly namespace: string; readonly name: string; readonly uid: string },
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): ProgressWriter {
  let newest: MigrationProgress | undefined;
  let written: MigrationProgress | undefined;
  let writing: Promise<void> | undefined;
  let asking: Promise<unknown> | undefined;
  let isGone = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  let cancel = (): void => {};

  async function patch(progress: MigrationProgress): Promise<void> {
    try {
      await client.patch(
        kind,
        at.name,
        at.namespace,
        // An object of the same name is none of ours.
        { type: 'merge', patch: { metadata: { uid: at.uid }, status: { progress: mergePatch(written, progress) } } },
        'status',
      );
      written = progress;
    } catch (error) {
      if (isNotFound(error)) isGone = true;
      log.debug({ VirtualMachineInstanceMigration: at, err: describeError(error) }, 'progress could not be written');
    }
  }

  function send(progress: MigrationProgress): void {
    cancel();
    newest = undefined;
    lastMs = clock.now();
    writing = patch(progress).finally(() => {
      writing = undefined;
      schedule();
    });
  }

  function schedule(): void {
    cancel();
    if (!newest || writing) return;
    const progress = newest;
    const waitMs = delayMs(progress.stage, clock.now() - lastMs);
    if (waitMs === 0) send(progress);
    else cancel = clock.after(waitMs, () => newest && send(newest));
  }

  async function ask(stopped: () => boolean): Promise<MigrationProgress | undefined> {
    for (let attempt = 0; !stopped(); attempt += 1) {
      try {
        const found = await client.get<VirtualMachineInstanceMigration>(kind, at.name, at.namespace);
        isGone = found?.metadata.uid !== at.uid;
        if (!isGone) written = found?.status?.progress;
        return written;
      } catch (error) {
        log.debug({ VirtualMachineInstanceMigration: at, err: describeError(error) }, 'progress could not be read');
        await pause(backoffMs(attempt, 50, PATIENCE_MS), clock);
      }
    }
    return undefined;
  }

  return {
    write(progress) {
      if (isGone) return;
      newest = progress;
      schedule();
    },
    told(stopped) {
      const answer = ask(stopped);
      asking = answer;
      return answer;
    },
    async flush() {
      if (asking !== undefined) await ifInTime(asking, PATIENCE_MS, clock);
      while (newest ?? writing) {
        if (newest && !writing) send(newest);
        await writing;
      }
    },
  };
}
