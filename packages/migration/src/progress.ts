import type { MigrationProgress } from '@godwit/api';
import {
  accumulateVolumes,
  volumeSince,
  withoutRates,
  type VolumeReading,
  type VolumeState,
} from './volume-progress.ts';

type Stage = MigrationProgress['stage'];

/** What was just read from QEMU. Volumes or memory that are not being copied (any more) may be left out. */
export interface ProgressReading {
  readonly stage: Stage;
  readonly atMs: number;
  readonly volumes?: readonly VolumeReading[];
  readonly memory?: {
    readonly bytesTotal: number;
    readonly bytesDone: number;
    readonly dirtyBytesPerSecond: number;
    readonly iteration: number;
    /** How much of their time the guest's processors are held back. */
    readonly throttlePercent?: number;
  };
  /** What really travelled or was written so far, holes and zeroes left out; absent: not measured this time. */
  readonly bytesTransferred?: number;
  readonly downtimeMs?: number;
  readonly totalMs?: number;
}

/** Everything reported so far; give it back with the next reading. */
export interface ProgressState {
  readonly published: MigrationProgress | undefined;
  readonly volumes: readonly VolumeState[];
  /** For the rates: what was done and transferred some seconds ago. */
  readonly window: readonly Point[];
}

interface Point {
  readonly atMs: number;
  readonly bytesDone: number;
  readonly bytesTransferred: number | undefined;
}

export const noProgress: ProgressState = { published: undefined, volumes: [], window: [] };

/** To go on from what an earlier life has published. */
export function progressSince(published: MigrationProgress | undefined): ProgressState {
  return published === undefined
    ? noProgress
    : { published, volumes: (published.volumes ?? []).map(volumeSince), window: [] };
}

const STAGES: readonly Stage[] = ['Preparing', 'CopyingDisks', 'CopyingMemory', 'SwitchingOver', 'HandingOver', 'Done'];
const WINDOW_MS = 5000;

/**
 * Adds a reading. Stages, totals, done and transferred bytes never go back, whatever QEMU reports (its counters restart
 * with every iteration and vanish with the job); `Failed` may follow any stage. `Done` means that nothing is left: the
 * last pages are sent after the last look.
 */
export function accumulateProgress(state: ProgressState, reading: ProgressReading): ProgressState {
  const last = state.published;
  const stage = laterStage(last?.stage, reading.stage);
  const volumeStates = accumulateVolumes(state.volumes, reading.volumes ?? [], reading.atMs);
  const isEnded = stage === 'Done' || stage === 'Failed';
  const volumes = volumeStates.map(({ figures }) => (isEnded ? withoutRates(figures) : figures));
  const memory = mergeMemory(last?.memory, reading.memory);
  const parts = memory === undefined ? volumes : [...volumes, memory];
  const bytesTotal = sum(parts.map((part) => part.bytesTotal));
  const sumDone = sum(parts.map((part) => part.bytesDone));
  const bytesDone = stage === 'Done' ? bytesTotal : Math.max(last?.bytesDone ?? 0, sumDone);
  const bytesTransferred = greatest(last?.bytesTransferred, reading.bytesTransferred);
  const window: Point[] = [
    ...state.window.filter((point) => reading.atMs - point.atMs <= WINDOW_MS),
    { atMs: reading.atMs, bytesDone, bytesTransferred },
  ];
  const speed = perSecond(window, (point) => point.bytesDone);
  const rate = bytesTransferred === undefined ? speed : perSecond(window, (point) => point.bytesTransferred ?? 0);
  // What the guest writes meanwhile is to be copied as well.
  const gain = (speed ?? 0) - sum(volumes.map((volume) => volume.dirtyBytesPerSecond ?? 0));
  // Who tells them first has measured them.
  const downtimeMs = last?.downtimeMs ?? reading.downtimeMs;
  const totalMs = last?.totalMs ?? reading.totalMs;
  const published: MigrationProgress = {
    updatedAt: new Date(Math.max(reading.atMs, last === undefined ? 0 : Date.parse(last.updatedAt))).toISOString(),
    stage,
    bytesTotal,
    bytesDone,
    ...(bytesTransferred === undefined ? {} : { bytesTransferred }),
    ...(rate === undefined ? {} : { bytesPerSecond: rate }),
    ...(!isEnded && gain > 0 ? { etaSeconds: Math.ceil((bytesTotal - bytesDone) / gain) } : {}),
    ...(volumes.length > 0 ? { volumes } : {}),
    ...(memory === undefined ? {} : { memory }),
    ...(downtimeMs === undefined ? {} : { downtimeMs }),
    ...(totalMs === undefined ? {} : { totalMs }),
  };
  return { published, volumes: volumeStates, window };
}

function laterStage(last: Stage | undefined, next: Stage): Stage {
  if (last === undefined || next === 'Failed') return next;
  if (last === 'Failed') return last;
  return STAGES.indexOf(next) > STAGES.indexOf(last) ? next : last;
}

function mergeMemory(last: MigrationProgress['memory'], next: ProgressReading['memory']): MigrationProgress['memory'] {
  if (next === undefined) return last;
  return {
    ...forward(last, next),
    dirtyBytesPerSecond: next.dirtyBytesPerSecond,
    iteration: Math.max(last?.iteration ?? 0, next.iteration),
    ...(next.throttlePercent === undefined ? {} : { throttlePercent: next.throttlePercent }),
  };
}

type Bytes = { readonly bytesTotal: number; readonly bytesDone: number };

function forward(before: Bytes | undefined, now: Bytes | undefined): { bytesTotal: number; bytesDone: number } {
  const bytesDone = Math.max(before?.bytesDone ?? 0, now?.bytesDone ?? 0);
  return { bytesTotal: Math.max(before?.bytesTotal ?? 0, now?.bytesTotal ?? 0, bytesDone), bytesDone };
}

function perSecond(window: readonly Point[], bytesOf: (point: Point) => number): number | undefined {
  const first = window[0];
  const last = window.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined;
  return Math.round(((bytesOf(last) - bytesOf(first)) * 1000) / (last.atMs - first.atMs));
}

function greatest(before: number | undefined, now: number | undefined): number | undefined {
  if (before === undefined || now === undefined) return now ?? before;
  return Math.max(before, now);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
