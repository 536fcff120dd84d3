import type { MigrationVerification } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { ProgressReading } from '@godwit/migration';
import type { DiskMove } from '../disks/mirror-in-sync.ts';
import type { InPlaceOptions, InPlaceOutcome, SideStatus, TimelineEntry } from '../types.ts';
import { countWritten, type WrittenBytes } from './written-bytes.ts';

type Volumes = NonNullable<ProgressReading['volumes']>;

/** What a move in place says of itself: status, figures, timeline, and its outcome with all of them. */
export interface InPlaceReport {
  readonly status: () => SideStatus;
  readonly enter: (next: SideStatus) => void;
  /** Something that the move cannot go on without does not succeed; undefined: it did. */
  readonly hindered: (why: string | undefined) => void;
  readonly mark: (step: string) => void;
  /** Bytes written to the new volumes count from here. */
  begin(): Promise<void>;
  look(stage: ProgressReading['stage'], volumes?: Volumes): Promise<void>;
  readonly verified: (found: MigrationVerification) => void;
  /** As a predecessor has found it. */
  restore(found: MigrationVerification | undefined): void;
  verification(): { readonly verification?: MigrationVerification };
  succeeded(downtimeMs: number): Promise<InPlaceOutcome>;
  failed(reason: string, moved: readonly string[], aborted: boolean): InPlaceOutcome;
}

export function reportInPlace(
  options: Pick<InPlaceOptions, 'onStatus' | 'onVerified'> & {
    readonly tell: (reading: Omit<ProgressReading, 'atMs'>) => void;
    readonly disks: readonly DiskMove[];
    readonly clock: Clock;
  },
): InPlaceReport {
  const { disks, tell, clock } = options;
  const startedMs = clock.now();
  const timeline: TimelineEntry[] = [];
  let status: SideStatus = { phase: 'Mirroring', undecided: false };
  let hindrance: string | undefined;
  /** Absent after a restart: nobody has counted. */
  let written: WrittenBytes | undefined;
  let verification: MigrationVerification | undefined;

  const seen = (): SideStatus => (hindrance === undefined ? status : { ...status, hindrance });
  const found = () => (verification === undefined ? {} : { verification });
  const mark = (step: string) => void timeline.push({ step, atMs: clock.now() - startedMs });
  const enter = (next: SideStatus) => {
    status = next;
    options.onStatus?.(seen());
  };

  return {
    status: seen,
    enter,
    mark,
    hindered(why) {
      hindrance = why;
      options.onStatus?.(seen());
    },
    async begin() {
      written = await countWritten(disks);
    },
    async look(stage, volumes = []) {
      tell({ stage, volumes, ...(written && { bytesTransferred: await written(volumes) }) });
    },
    verified(now) {
      verification = now;
      mark('disks compared');
      options.onVerified?.(now);
    },
    restore(before) {
      verification = before;
    },
    verification: found,
    async succeeded(downtimeMs) {
      const totalMs = clock.now() - startedMs;
      const bytes = (await written?.([])) ?? 0;
      mark('done');
      // After a restart nobody has measured.
      tell({ stage: 'Done', ...(written && { downtimeMs, totalMs, bytesTransferred: bytes }) });
      enter({ phase: 'Done', undecided: false });
      return { result: 'succeeded', totalMs, bytes, downtimeMs, timeline, ...found() };
    },
    failed(reason, moved, aborted) {
      tell({ stage: 'Failed' });
      enter({ phase: 'Failed', undecided: false, message: reason });
      return { result: aborted ? 'aborted' : 'failed', reason, moved, timeline, ...found() };
    },
  };
}
