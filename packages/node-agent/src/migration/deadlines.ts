import type { SourceDeadlines, TargetDeadlines } from '@godwit/migration';

/** How long a state may last before something else is tried. */
export const DEADLINES = {
  source: { prepareMs: 180_000, watchdogMs: 15_000, askMs: 500 },
  target: { prepareMs: 180_000, inquireMs: 3000, rejoinMs: 5000 },
} as const satisfies { source: SourceDeadlines; target: TargetDeadlines };
