import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { DiskBacking, Machine } from '@godwit/hypervisor';
import { mayStartMemory, type ConvergencePolicy, type DiskSituation, type VolumeReading } from '@godwit/migration';
import { mirrorDisks, volumeReading } from './mirror-disks.ts';
import { limitMirrors } from './mirror-speeds.ts';
import { watchPowerOff } from './power-off.ts';
import type { WriteLimits } from './write-limits.ts';

export interface DiskMove {
  readonly name: string;
  readonly sizeBytes: number;
  readonly from: DiskBacking;
  readonly to: DiskBacking;
}

const LOOK_MS = 100;

/** Mirrors disks to files and resolves when all are in sync, as `mirrorDisks` does. */
export async function mirrorInSync(options: {
  readonly machine: Machine;
  readonly moves: readonly DiskMove[];
  readonly policy: ConvergencePolicy;
  readonly writes: WriteLimits;
  readonly begunAs: DiskSituation['mode'];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A guest that switches itself off ends it: rejects. */
  readonly endsWithGuest: boolean;
  readonly onLook: (volumes: readonly VolumeReading[]) => Promise<void>;
}): Promise<void> {
  const { machine, moves, clock, signal } = options;
  const disks = moves.map(({ name, to }) => ({ name, target: { kind: 'file' as const, backing: to } }));
  const power = watchPowerOff(machine);
  await mirrorDisks(disks, {
    ...options,
    speeds: limitMirrors(machine, options.policy),
    // One disk is held at a moment with nothing left, and its guest does not notice; several wait for each other.
    mayFinish: (history) => (moves.length === 1 ? 'start' : mayStartMemory(options.policy, history)),
    check() {
      signal.throwIfAborted();
      if (options.endsWithGuest) power.check();
    },
    onLook: (mirrors) => options.onLook(mirrors.map(volumeReading(options.writes))),
    next: () =>
      new Promise<void>((resolve) => {
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
      }),
  }).finally(power.end);
}
