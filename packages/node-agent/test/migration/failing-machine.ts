import type { Machine, MachineEvent, MirrorProgress, MirrorTarget } from '@godwit/hypervisor';
import type { DiskMove } from '../../src/migration/disks/mirror-in-sync.ts';

export const backing = (name: string, path: string) => ({
  name,
  path,
  format: 'raw' as const,
  driver: 'file' as const,
  readOnly: false,
});
export const move = (name: string): DiskMove => ({
  name,
  sizeBytes: 1,
  from: backing(name, `/old/${name}`),
  to: backing(name, `/new/${name}`),
});
export const inSync = (disk: string, more: Partial<MirrorProgress> = {}): MirrorProgress => ({
  disk,
  bytesTotal: 1,
  bytesDone: 1,
  ready: true,
  nospace: false,
  ...more,
});

export interface Failures {
  /** Disks of which QEMU refuses the pivot. */
  readonly pivot?: readonly string[];
  /** How often disks cannot be held. */
  readonly hold?: number;
  /** The copy, counted over all disks, in the middle of which QEMU dies. */
  readonly fatal?: number;
  /** The copy, counted likewise, in the middle of which the guest switches itself off. */
  readonly off?: number;
}

/** Two disks, and a QEMU that fails as told. Writes down what it is asked to. */
export function failingMachine({ pivot = [], hold = 0, fatal, off }: Failures, asked: string[] = []): Machine {
  const on = new Map([
    ['a', '/old/a'],
    ['b', '/old/b'],
  ]);
  const mirrors = new Map<string, MirrorProgress>();
  const targets = new Map<string, string>();
  const listeners = new Set<(event: MachineEvent) => void>();
  let [copies, holds, gone] = [0, 0, false];
  let state = 'running';
  const alive = <T>(value: T): Promise<T> => (gone ? Promise.reject(new Error('gone')) : Promise.resolve(value));
  // The cast is safe: a move in place uses these members only.
  return {
    directory: '/nowhere',
    state: async () => (gone ? 'gone' : state),
    pause: async () => {
      asked.push('pause');
      state = 'paused';
    },
    resume: async () => {
      asked.push('resume');
      state = 'running';
    },
    onEvent: (listener: (event: MachineEvent) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    backings: () => alive([...on].map(([name, path]) => backing(name, path))),
    mirrors: () => alive([...mirrors.values()]),
    startMirror: (disk: string, target: MirrorTarget, { synchronous }: { synchronous?: boolean } = {}) => {
      copies += 1;
      gone = copies === fatal;
      asked.push(`${synchronous === true ? 'synchronous' : 'background'} ${disk}`);
      mirrors.set(disk, inSync(disk, { ready: !gone }));
      if (copies === off) {
        state = 'shutdown';
        for (const listener of listeners) listener({ type: 'shutdown', atMs: 0, guestInitiated: true });
      }
      if (target.kind === 'file') targets.set(disk, target.backing.path);
      return alive(undefined);
    },
    limitWrites: () => alive(undefined),
    changesMirrors: () => alive(false),
    cancelMirror: (disk: string) => {
      if (mirrors.delete(disk)) asked.push(`cancel ${disk}`);
      return alive(undefined);
    },
    preparePivot: (disk: string) => {
      holds += 1;
      if (holds <= hold) return Promise.reject(new Error('too busy'));
      asked.push(`hold ${disk}`);
      return alive(undefined);
    },
    commitPivot: (disk: string) => {
      mirrors.delete(disk);
      if (pivot.includes(disk)) return Promise.reject(new Error('EPERM'));
      asked.push(`pivot ${disk}`);
      on.set(disk, targets.get(disk) ?? '');
      return alive(undefined);
    },
  } as unknown as Machine;
}
