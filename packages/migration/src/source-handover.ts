import { afterFailure, afterRecord, whileResuming, whileServing } from './source-after-record.ts';
import { beforeRecord, recording } from './source-before-record.ts';
import {
  ASK_LIMIT,
  denied,
  ended,
  resuming,
  send,
  stay,
  type SourceEffect,
  type SourceEvent,
  type SourceRecord,
  type SourceResult,
  type SourceState,
} from './source-states.ts';
import type { Stepped } from './step.ts';

/**
 * The source's half of the handover.
 *
 *   Preparing ──prepared──▶ Converging ──paused──▶ SwitchingOver ──sent and ready──▶ Recording ──recorded──▶ HandingOver
 *       │                       │                       │ (watchdog)                     │                    │  │  ▲
 *       └────── any failure, abort, lost peer ──────────┴──────────── recordFailed ──────┤        unanswered  │  │  │ answered
 *                               ▼                                                        │                    ▼  │  │
 *                           Resuming ◀───────────────────── target recorded aborted ─────┼───────────────── Undecided
 *                            │     │                                                     │  (human: resume)      │
 *              guest runs    ▼     ▼  QEMU died                         target committed or runs ────────────────┤
 *                        Resumed  Lost ◀── target lost it ── Serving ◀── the same, by post-copy ─────────────────┤
 *                                                               └─────── target has it whole ──────────────────▶ Done
 * Until `handing-over` is on disk the source decides alone and every failure ends in Resumed. From then on only the
 * target's durable word moves it: `aborted` (resume) or `committed`/`running` (never run again).
 *
 * In post-copy the target runs the guest with a part of its memory: the QEMU here is kept (Serving) until the target has
 * all of it (`whole`), or says that the guest died for want of it (`lost`).
 */
export function startSourceHandover(epoch: number): Stepped<SourceState, SourceEffect> {
  return {
    next: { phase: 'Preparing', epoch },
    effects: [
      { do: 'journal', record: 'started', epoch },
      { do: 'send', message: { kind: 'hello', epoch } },
    ],
  };
}

/**
 * The state after a restart, from the last record and a look at QEMU. Without a record nothing had begun.
 * A running guest under `handing-over` proves that the target had recorded `aborted`: nothing else lets it run.
 */
export function recoverSourceHandover(
  record: {
    readonly record: SourceRecord;
    readonly epoch: number;
    readonly reason?: string;
    readonly settled?: boolean;
    readonly split?: boolean;
  },
  guest: 'running' | 'paused' | 'gone',
): Stepped<SourceState, SourceEffect> {
  const { epoch } = record;
  switch (record.record) {
    case 'started':
      return resuming(epoch, 'The agent of the source node restarted during the migration', false);
    case 'handing-over': {
      if (guest === 'running') return ended('Resumed', epoch, 'The target gave up the migration', true);
      const split = record.split === true;
      const severed = split && guest === 'gone';
      return {
        next: { phase: 'HandingOver', epoch, asks: 0, abort: undefined, split, severed },
        effects: [send(severed ? 'severed' : 'query', epoch)],
      };
    }
    case 'serving': {
      const severed = guest === 'gone';
      return {
        next: { phase: 'Serving', epoch, asks: 0, severed },
        effects: [send(severed ? 'severed' : 'query', epoch)],
      };
    }
    case 'resumed':
    case 'lost': {
      const next = {
        phase: record.record === 'lost' ? ('Lost' as const) : ('Resumed' as const),
        epoch,
        reason: record.reason ?? 'The migration failed',
        settled: record.settled ?? false,
      };
      return { next, effects: next.settled ? [] : [send('abort', epoch, next.reason)] };
    }
    case 'done':
      return { next: { phase: 'Done', epoch }, effects: [{ do: 'release' }] };
  }
}

export function stepSource(state: SourceState, event: SourceEvent): SourceResult {
  if (event.type === 'message' && event.message.epoch !== state.epoch) return stay(state);
  switch (state.phase) {
    case 'Preparing':
    case 'Converging':
    case 'SwitchingOver':
      return beforeRecord(state, event);
    case 'Recording':
      return recording(state, event);
    case 'HandingOver':
    case 'Undecided':
      return afterRecord(state, event);
    case 'Serving':
      return whileServing(state, event);
    case 'Resuming':
      return whileResuming(state, event);
    case 'Resumed':
    case 'Lost':
      return afterFailure(state, event);
    case 'Done':
      return event.type === 'resolve' ? denied(state, event) : stay(state);
  }
}

/** Milliseconds after entering `state` at which `timeout` is due; undefined: this state waits for nothing of its own. */
export function sourceDeadlineMs(state: SourceState, policy: SourceDeadlines): number | undefined {
  switch (state.phase) {
    case 'Preparing':
      return policy.prepareMs;
    case 'SwitchingOver':
      return policy.watchdogMs;
    case 'HandingOver':
      return policy.askMs * 2 ** state.asks;
    case 'Serving': // the target tells by itself, unless that was lost
      return policy.askMs * 2 ** Math.min(ASK_LIMIT, state.asks + 2);
    case 'Undecided':
      return policy.askMs * 2 ** ASK_LIMIT;
    case 'Resumed':
    case 'Lost':
      return state.settled ? undefined : policy.askMs * 2 ** ASK_LIMIT;
    case 'Converging': // bounded by the convergence policy, which reports `copyFailed`
    case 'Recording':
    case 'Resuming': // bounded by their effects
    case 'Done':
      return undefined;
  }
}

export interface SourceDeadlines {
  readonly prepareMs: number;
  /** Longest time the guest stays paused before `handing-over` is recorded. */
  readonly watchdogMs: number;
  readonly askMs: number;
}
