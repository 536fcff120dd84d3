import type { GuestWatch } from '../guest/watch.ts';
import type { CaseSpec } from '../plan.ts';
import type { Operation } from '../samples.ts';

/** What every contender gets. */
export interface Arena {
  /** Short, private, on the disk that is measured. */
  readonly directory: string;
  readonly guestImage: string;
  /** Path of the image from which the guest's disk is made; undefined: a small shared disk. */
  readonly original: string;
  readonly diskMib: number;
  readonly spec: CaseSpec;
  readonly runId: string;
  readonly say: (text: string) => void;
}

export interface Moved {
  readonly startedMs: number;
  /** On the clock of `performance.now()`, as all times here. */
  readonly doneMs: number;
  readonly runsMs?: number;
  readonly firstByteMs?: number;
  /** The guest's disk now. */
  readonly disk: string;
  /** The guest's disk before; absent when no disk travelled. */
  readonly source?: string;
}

/** One guest in the hands of one contender, for all rounds of one case. */
export interface Session extends AsyncDisposable {
  readonly watch: GuestWatch;
  /** The guest runs afterwards: booted if there is none, resumed if it rests. */
  wake(): Promise<void>;
  move(operation: Operation): Promise<Moved>;
  /** The guest stands still, so that it takes nothing from whoever is measured next. */
  rest(): Promise<void>;
  /** Removes what the last move has left behind. */
  tidy(): Promise<void>;
  /** Gives the guest up; `wake` boots another one. */
  abandon(): Promise<void>;
}

/** A move that takes longer is taken for one that does not end. */
export const moveLimitMs = (spec: CaseSpec): number => (spec.fill === undefined ? 60_000 : 240_000);

export const BOOT_MS = 120_000;

/** Waits until a guest that has just been started does everything it is to do. */
export async function untilBusy(watch: GuestWatch, spec: CaseSpec): Promise<void> {
  const { load } = spec;
  await watch.hears({ beats: 20, writes: load.writesPerSecond > 0 ? 5 : 0 }, BOOT_MS);
  // Filling memory takes a while and looks like dirtying it.
  const settle = load.ballastMib + load.workingSetMib > 512 ? 1200 : 200;
  await watch.hears({ beats: settle, writes: 0 }, BOOT_MS);
}
