import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import type { DiskBacking, Machine } from '@godwit/hypervisor';
import type { ConvergencePolicy } from '@godwit/migration';
import { volumeReading } from './copy-disks.ts';
import { watchDisks } from './watch-disks.ts';

export interface DiskMove {
  readonly name: string;
  readonly sizeBytes: number;
  readonly from: DiskBacking;
  readonly to: DiskBacking;
}

const LOOK_MS = 100;

/** Mirrors disks to files and resolves when all are in sync. Rejects with the first failure; the mirrors are left as they are. */
export async function mirrorInSync(options: {
  readonly machine: Machine;
  readonly moves: readonly DiskMove[];
  readonly policy: ConvergencePolicy;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onLook: (volumes: readonly { name: string; bytesTotal: number; bytesDone: number }[]) => Promise<void>;
}): Promise<void> {
  const { machine, moves, policy, clock, signal } = options;
  const speed = policy.bandwidthBytesPerSecond;
  for (const { name, to } of moves) {
    signal.throwIfAborted();
    await machine.startMirror(
      name,
      { kind: 'file', backing: to },
      { synchronous: true, ...(speed === undefined ? {} : { bandwidthBytesPerSecond: speed }) },
    );
  }
  const names = moves.map((move) => move.name);
  const watch = watchDisks(policy, clock, 'synchronous');
  for (;;) {
    signal.throwIfAborted();
    const mirrors = (await machine.mirrors()).filter((mirror) => names.includes(mirror.disk));
    for (const mirror of mirrors) {
      if (mirror.nospace) throw new GodwitError('MIGRATION_COPY_FAILED', `The target of disk ${mirror.disk} is full`);
      if (mirror.error !== undefined)
        throw new GodwitError('MIGRATION_COPY_FAILED', `Copying disk ${mirror.disk} failed: ${mirror.error}`);
    }
    if (mirrors.length < moves.length) throw new GodwitError('MIGRATION_COPY_FAILED', 'A disk copy vanished');
    await options.onLook(mirrors.map(volumeReading));
    if (mirrors.every((mirror) => mirror.ready)) return;
    watch.look(mirrors);
    await new Promise<void>((resolve) => {
      const unsubscribe = machine.onEvent((event) => {
        if (event.type === 'job' || event.type === 'exited') done();
      });
      const cancel = clock.after(LOOK_MS, () => done());
      const done = () => {
        unsubscribe();
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done);
    });
  }
}
