import type { PersistentVolumeClaim } from './core-kinds.ts';

/**
 * Annotations of a claim by which the copy of a stopped VM's volume is ordered (`source`, `id`, `node`, `bytes`) and
 * reported (the others). The controller takes `source` away to end a copy, and all of them once the agent has stopped or finished; while
 * any of them is there no guest starts on the claim.
 */
export const copyMarks = {
  /** Claim that is copied. */
  source: 'godwit.dev/copy-from',
  /** One attempt of one copy. */
  id: 'godwit.dev/copy-id',
  /** Whose agent copies. */
  node: 'godwit.dev/copy-node',
  /** What the guest's disk has, when the source's image is known to be bigger. */
  bytes: 'godwit.dev/copy-bytes',
  reportId: 'godwit.dev/copy-report-id',
  phase: 'godwit.dev/copy-phase',
  progress: 'godwit.dev/copy-progress',
  message: 'godwit.dev/copy-message',
} as const;

export interface CopyOrder {
  readonly source: string;
  readonly id: string;
  readonly node: string;
  /** Absent: everything that the source has. */
  readonly bytes?: number;
}

/** `Failed` may go better another time, `Refused` never will. */
export type CopyPhase = 'Running' | 'Succeeded' | 'Failed' | 'Refused';

export interface CopyReport {
  readonly id: string;
  readonly phase: CopyPhase;
  readonly progress?: string;
  readonly message?: string;
}

type Marked = Pick<PersistentVolumeClaim, 'metadata'>;

/** The copy that somebody wants into this claim. */
export function copyOrderOf({ metadata }: Marked): CopyOrder | undefined {
  const marks = metadata.annotations ?? {};
  const { [copyMarks.source]: source, [copyMarks.id]: id, [copyMarks.node]: node } = marks;
  if (source === undefined || id === undefined || node === undefined) return undefined;
  const bytes = Number(marks[copyMarks.bytes]);
  return { source, id, node, ...(Number.isSafeInteger(bytes) && bytes > 0 ? { bytes } : {}) };
}

function isPhase(text: string | undefined): text is CopyPhase {
  return text === 'Running' || text === 'Succeeded' || text === 'Failed' || text === 'Refused';
}

/** What a node agent last said about a copy into this claim. */
export function copyReportOf({ metadata }: Marked): CopyReport | undefined {
  const marks = metadata.annotations ?? {};
  const { [copyMarks.reportId]: id, [copyMarks.phase]: phase } = marks;
  if (id === undefined || !isPhase(phase)) return undefined;
  const { [copyMarks.progress]: progress, [copyMarks.message]: message } = marks;
  return { id, phase, ...(progress === undefined ? {} : { progress }), ...(message === undefined ? {} : { message }) };
}

/** A copy into this claim is ordered, under way, or not cleared away yet: its bytes are nobody's disk. */
export function hasCopyMarks({ metadata }: Marked): boolean {
  return Object.values(copyMarks).some((mark) => metadata.annotations?.[mark] !== undefined);
}
