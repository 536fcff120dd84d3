import { describeError } from '@godwit/core/errors';
import type { Machine } from '@godwit/hypervisor';
import type { SourceState } from '@godwit/migration';
import type { SourceFigures } from './source-figures.ts';
import type { SourceOutcome } from '../types.ts';

/** What a source reports in the end, once. */
export interface SourceEnding {
  readonly outcome: Promise<SourceOutcome>;
  /** A user wants the migration to end: one that comes to nothing then was aborted, it did not fail. */
  wish(reason: string): void;
  wished(): string | undefined;
  /** QEMU's own figures are to be had only as long as it lives. */
  lastWords(machine: Machine | undefined): Promise<void>;
  neverBegan(error: unknown): void;
  stayed(state: Extract<SourceState, { phase: 'Resumed' | 'Lost' }>): void;
  left(): void;
}

export function createSourceEnding(figures: SourceFigures): SourceEnding {
  const outcome = Promise.withResolvers<SourceOutcome>();
  const { timeline } = figures;
  let wished: string | undefined;
  let qemuDowntimeMs: number | undefined;
  const verified = () => {
    const { verification } = figures.facts();
    return verification === undefined ? {} : { verification };
  };
  return {
    outcome: outcome.promise,
    wish(reason) {
      wished = reason;
    },
    wished: () => wished,
    async lastWords(machine) {
      qemuDowntimeMs = await machine?.memory().then(
        (memory) => memory.downtimeMs,
        () => undefined,
      );
    },
    neverBegan(error) {
      outcome.resolve({ result: 'failed', reason: describeError(error), sourceRunning: true, timeline });
    },
    stayed({ phase, reason }) {
      const result = wished === undefined || phase === 'Lost' ? 'failed' : 'aborted';
      outcome.resolve({ result, reason, sourceRunning: phase === 'Resumed', timeline, ...verified() });
    },
    left() {
      const bytes = figures.travelled();
      const qemu = qemuDowntimeMs === undefined ? {} : { qemuDowntimeMs };
      outcome.resolve({ result: 'succeeded', bytes, ...figures.times(), timeline, ...qemu, ...verified() });
    },
  };
}
