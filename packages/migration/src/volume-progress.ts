import type { MigrationProgress } from '@godwit/api';

/** What QEMU says of the copy of one volume. Both only grow, until the copy is begun anew. */
export interface VolumeReading {
  readonly name: string;
  /** All that there was to copy so far: grows when the guest writes. */
  readonly bytesTotal: number;
  readonly bytesDone: number;
  /** What the guest may write; absent: as much as it likes. */
  readonly writeLimitBytesPerSecond?: number | undefined;
}

/** What is told of a volume: never less than before, also when it is copied anew; then all of it is to be done once more. */
export type VolumeFigures = NonNullable<MigrationProgress['volumes']>[number];

export interface VolumeState {
  readonly figures: VolumeFigures;
  /** Done by copies before the present one. */
  readonly earlierBytes: number;
  readonly reading: VolumeReading;
  readonly window: readonly Point[];
}

interface Point {
  readonly atMs: number;
  readonly bytesTotal: number;
  readonly bytesDone: number;
}

const WINDOW_MS = 5000;

/** Adds the newest readings; a volume without one keeps what is known of it, and has no rates any more. */
export function accumulateVolumes(
  states: readonly VolumeState[],
  readings: readonly VolumeReading[],
  atMs: number,
): readonly VolumeState[] {
  const names = [...new Set([...states.map((state) => state.figures.name), ...readings.map(({ name }) => name)])];
  return names.flatMap((name) => {
    const before = states.find((state) => state.figures.name === name);
    const reading = readings.find((one) => one.name === name);
    if (reading !== undefined) return [accumulate(before, reading, atMs)];
    if (before === undefined) return [];
    // While memory is sent the limit still holds.
    return [{ ...before, window: [], figures: { ...withoutRates(before.figures), ...limitOf(before.figures) } }];
  });
}

function accumulate(before: VolumeState | undefined, reading: VolumeReading, atMs: number): VolumeState {
  const anew = before !== undefined && reading.bytesDone < before.reading.bytesDone;
  const earlierBytes = before === undefined ? 0 : anew ? before.figures.bytesDone : before.earlierBytes;
  const bytesDone = Math.max(before?.figures.bytesDone ?? 0, earlierBytes + reading.bytesDone);
  const bytesTotal = Math.max(before?.figures.bytesTotal ?? 0, earlierBytes + reading.bytesTotal, bytesDone);
  // Without a total QEMU has not looked at the volume yet.
  const kept = before === undefined || anew ? [] : before.window.filter((point) => atMs - point.atMs <= WINDOW_MS);
  const window = reading.bytesTotal === 0 ? kept : [...kept, { atMs, bytesTotal, bytesDone }];
  const rest = bytesTotal - bytesDone;
  const figures = { name: reading.name, bytesTotal, bytesDone, ...rates(window, rest), ...limitOf(reading) };
  return { figures, earlierBytes, reading, window };
}

function rates(window: readonly Point[], restBytes: number): Partial<VolumeFigures> {
  const first = window[0];
  const last = window.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return {};
  const perSecond = (bytes: number): number => Math.round((bytes * 1000) / (last.atMs - first.atMs));
  const bytesPerSecond = perSecond(last.bytesDone - first.bytesDone);
  const dirtyBytesPerSecond = perSecond(last.bytesTotal - first.bytesTotal);
  const gain = bytesPerSecond - dirtyBytesPerSecond;
  const eta = restBytes === 0 ? { etaSeconds: 0 } : gain > 0 ? { etaSeconds: Math.ceil(restBytes / gain) } : {};
  return { bytesPerSecond, dirtyBytesPerSecond, ...eta };
}

/** To go on from what was told of a volume. */
export function volumeSince(figures: VolumeFigures): VolumeState {
  return { figures, earlierBytes: 0, reading: withoutRates(figures), window: [] };
}

export function withoutRates({ name, bytesTotal, bytesDone }: VolumeFigures): VolumeFigures {
  return { name, bytesTotal, bytesDone };
}

function limitOf({ writeLimitBytesPerSecond: limit }: Pick<VolumeReading, 'writeLimitBytesPerSecond'>) {
  return limit === undefined ? {} : { writeLimitBytesPerSecond: limit };
}
