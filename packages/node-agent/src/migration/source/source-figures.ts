import type { Clock } from '@godwit/core/clock';
import type { ProgressReading } from '@godwit/migration';
import type { SourceFacts } from './source-context.ts';
import type { TimelineEntry } from '../types.ts';

type Reading = Omit<ProgressReading, 'atMs'>;
/** Often enough for figures that are at most a second old. */
const BEAT_MS = 900;

/** What a source tells of its migration, while it runs and when it is over. */
export interface SourceFigures {
  readonly timeline: readonly TimelineEntry[];
  facts(): SourceFacts;
  note(facts: Partial<SourceFacts>): void;
  /** As an earlier life has recorded them. When the guest ran there, unless they say so, nobody knows any more. */
  restore(facts: SourceFacts): void;
  readonly mark: (step: string) => void;
  readonly report: (reading: Reading) => void;
  /** As before, but for the stage. */
  enter(stage: Reading['stage']): void;
  /** Says the same again and again, until `stop`. */
  readonly repeat: () => void;
  stop(): void;
  travelled(): number;
  times(): { readonly totalMs: number; readonly downtimeMs: number };
  /** As early as it is certain: whoever sees that the migration succeeded should find the last figures as well. Idempotent. */
  done(): void;
}

export function createSourceFigures(options: {
  readonly startedMs: number;
  readonly carried: () => number;
  readonly tell: (reading: Reading) => void;
  readonly clock: Clock;
}): SourceFigures {
  const { startedMs, carried, tell, clock } = options;
  const timeline: TimelineEntry[] = [];
  let facts: SourceFacts = { bytes: 0 };
  let isDone = false;
  let isTimed = true;
  let reading: Reading = { stage: 'Preparing' };
  let cancelBeat = () => {};

  const figures: SourceFigures = {
    timeline,
    facts: () => facts,
    note(more) {
      facts = { ...facts, ...more };
    },
    restore(recorded) {
      figures.note(recorded);
      isTimed = recorded.runningAtMs !== undefined;
    },
    mark: (step) => void timeline.push({ step, atMs: clock.now() - startedMs }),
    report: (next) => {
      reading = next;
      tell({ ...next, bytesTransferred: figures.travelled() });
    },
    enter: (stage) => figures.report({ ...reading, stage }),
    repeat: () => {
      figures.report(reading);
      cancelBeat = clock.after(BEAT_MS, figures.repeat);
    },
    stop: () => cancelBeat(),
    travelled: () => Math.max(facts.bytes, carried()),
    times() {
      const { stoppedAtMs, runningAtMs = clock.now() } = facts;
      const downtimeMs = stoppedAtMs === undefined ? 0 : Math.max(0, runningAtMs - stoppedAtMs);
      return { totalMs: runningAtMs - startedMs, downtimeMs };
    },
    done() {
      if (isDone) return;
      isDone = true;
      figures.mark('done');
      cancelBeat();
      facts = { ...facts, runningAtMs: facts.runningAtMs ?? clock.now() };
      figures.report({ ...reading, stage: 'Done', ...(isTimed && figures.times()) });
    },
  };
  return figures;
}
