import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { SourceEffect, SourceEvent } from '@godwit/migration';
import { durably } from '../durably.ts';
import { isCertainlyUnwritten, type Journal } from '../journal.ts';
import type { SourceJournalRecord } from './source-context.ts';
import type { SourceFigures } from './source-figures.ts';

/** Records a step of the source's handover, with the figures that its outcome will tell. Resolves when it is on disk, or will never be. */
export async function recordSource(
  effect: Extract<SourceEffect, { do: 'journal' }>,
  { journal, figures, mark, log, hindered }: RecordIo,
): Promise<SourceEvent | undefined> {
  figures.note({ bytes: figures.travelled() });
  const entry: SourceJournalRecord = { ...effect, facts: figures.facts() };
  if (effect.record !== 'handing-over') {
    await durably(() => journal.writeRecord(entry), log, hindered);
    if (effect.record === 'done') figures.done();
    return undefined;
  }
  try {
    await journal.writeRecord(entry);
  } catch (error) {
    if (isCertainlyUnwritten(error)) return { type: 'recordFailed', reason: describeError(error) };
    await durably(() => journal.writeRecord(entry), log, hindered);
  }
  mark('handing over recorded');
  return { type: 'recorded' };
}

interface RecordIo {
  readonly journal: Journal;
  readonly figures: SourceFigures;
  readonly mark: (step: string) => void;
  readonly log: Logger;
  readonly hindered: (why: string | undefined) => void;
}
