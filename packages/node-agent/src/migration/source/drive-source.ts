import type { Clock } from '@godwit/core/clock';
import { ifInTime } from '@godwit/core/in-time';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import {
  convergencePolicy,
  sourceDeadlineMs,
  stepSource,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  type Stepped,
} from '@godwit/migration';
import { failure } from '../copy-context.ts';
import { DEADLINES } from '../deadlines.ts';
import { freshCredentials, type Renew } from '../fresh-credentials.ts';
import { giveBack } from './give-back.ts';
import { insist } from '../insist.ts';
import type { Journal } from '../journal.ts';
import { recordSource } from './record-source.ts';
import { createSourceRejoin } from './rejoin-source.ts';
import { startRunner } from '../runner.ts';
import { requireUndecided, sourceStatus } from '../side-status.ts';
import { readSourceRecord, type SourceContext, type SourceJournalRecord } from './source-context.ts';
import { startSourceCopy, type SourceCopy } from './source-copy.ts';
import { createMemoryFollower } from './follow-memory.ts';
import { createSourceDialogue } from './source-dialogue.ts';
import { createSourceFigures } from './source-figures.ts';
import { createSourceEnding } from './source-outcome.ts';
import { createSourceStream } from './source-stream.ts';
import { sourceTerms } from './source-terms.ts';
import { tellProgress, type ProgressKeeper } from '../tell-progress.ts';
import { createStatusTelling } from '../tell-status.ts';
import type { SourceMigration, SourceOptions } from '../types.ts';
import { copiesToVerify } from '../verification/copies.ts';

/** An agent that is told to end has this long to let the guest run, on one side or the other. */
const LEAVE_MS = 5000;

type Live = Pick<SourceOptions, 'spec' | 'configuration' | 'onVerified' | 'postCopyProblem' | 'multifdChannels'> & {
  readonly verify: boolean;
};

export interface DriveOptions {
  readonly context: SourceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly begin: (record: SourceJournalRecord | undefined) => Promise<Stepped<SourceState, SourceEffect>>;
  /** Absent after a restart: nothing is copied any more. */
  readonly live: Live | undefined;
  readonly renew: Renew | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onProgress: SourceOptions['onProgress'];
  /** After a restart: how far it was. */
  readonly told?: ProgressKeeper['told'] | undefined;
  readonly onStatus: SourceOptions['onStatus'];
}

/** Runs the source's half of a handover: its machine decides, this carries out and tells. */
export function driveSource(options: DriveOptions): SourceMigration {
  const { context, journal, machine, live, clock } = options;
  const { identity, copyDisks, credentials } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'source' });
  const verification = live?.verify === true ? copiesToVerify(live.spec, copyDisks, clock) : undefined;
  const watchdogMs = DEADLINES.source.watchdogMs + (verification?.budgetMs ?? 0);
  const deadlines = { ...DEADLINES.source, watchdogMs };
  const telling = createStatusTelling(options.onStatus);
  const { hindered } = telling;
  let closed = false;
  const left = new AbortController();
  let copy: SourceCopy | undefined;
  const terms = sourceTerms(context, live);
  const fresh = freshCredentials(credentials, options.renew, { clock, log });
  const stream = createSourceStream(context, {
    live: live !== undefined,
    memoryConnections: terms.connections,
    credentials: () => fresh.get(),
    log,
    clock,
  });
  // Disks that are copied anew are connected anew.
  const stopRenewing = fresh.follow((next) => stream.renew(next));
  const { carried } = stream;
  const { startedAtMs: startedMs } = context;
  const tell = tellProgress({ tell: options.onProgress, told: options.told, stopped: () => closed, clock });
  const figures = createSourceFigures({ startedMs, carried, tell, clock });
  const { mark } = figures;
  const ending = createSourceEnding(figures);
  const follower = createMemoryFollower({
    machine,
    report: (memory) => figures.report({ stage: 'HandingOver', memory }),
    clock,
  });
  const rejoin = createSourceRejoin({ stream, mark, hindered, log });
  const unsubscribe = machine?.onEvent((event) => {
    if (event.type === 'stopped') figures.note({ stoppedAtMs: event.atMs });
    if (event.type !== 'exited') return;
    const reason = rejoin.gaveUpFor();
    give({ type: 'sourceGone', ...(reason !== undefined && { reason }) });
  });

  const dialogue = createSourceDialogue(context, {
    credentials: () => fresh.get(),
    terms,
    spec: live?.spec,
    figures,
    give: (event) => give(event),
    onNotice: (notice) => telling.note({ notice }),
    onRejoin: (place) => rejoin.place(place),
    clock,
  });

  const perform = async (effect: SourceEffect): Promise<SourceEvent | undefined> => {
    switch (effect.do) {
      case 'send':
        return dialogue.say(effect.message);
      case 'journal':
        // The guest runs there, or runs on here: nothing more will be carried, and the count becomes exact.
        if (effect.record === 'done') await stream.close();
        return recordSource(effect, { journal, figures, mark, log, hindered });
      case 'copy':
        startCopy();
        return undefined;
      case 'restore': {
        const result = await giveBack(machine, context, { copy, stream, log, hindered, stopped: left.signal });
        mark('source restored');
        return { type: result === 'running' ? 'sourceRunning' : 'sourceGone' };
      }
      case 'rejoin':
        await rejoin.join(machine);
        return undefined;
      case 'release':
        await ending.lastWords(machine);
        await stream.close();
        await machine?.kill();
        return undefined;
    }
  };

  const startCopy = () => {
    const { listening } = stream;
    if (machine === undefined || live === undefined || listening === undefined)
      return give({ type: 'copyFailed', reason: 'There is nothing to copy from' });
    mark('target prepared');
    copy = startSourceCopy({
      machine,
      copyDisks,
      policy: convergencePolicy(live.configuration),
      multifdChannels: terms.multifdChannels(),
      carrier: listening,
      call: (call, timeoutMs) => dialogue.call(call, timeoutMs),
      ...(verification && {
        async verify(check) {
          const found = await verification.compare(machine, dialogue, check);
          mark('disks compared');
          figures.note({ verification: found });
          live.onVerified?.(found);
          if (found.result === 'Different') throw failure(found.message ?? 'The disks are different');
        },
      }),
      report: figures.report,
      mark,
      onPaused: () => give({ type: 'paused' }),
      onMode: (mode) => telling.tell({ mode }),
      postCopyProblem: () => terms.postCopyProblem(),
      onSent: (split) => give({ type: 'sent', split }),
      onFailed: (reason) => give({ type: 'copyFailed', reason }),
      clock,
      log,
    });
  };

  const onSettled = (state: SourceState) => {
    telling.tell({ phase: sourceStatus(state) });
    switch (state.phase) {
      case 'SwitchingOver':
        return figures.enter('SwitchingOver');
      case 'Serving':
        tellTooLate();
        follower.start();
        return figures.enter('HandingOver');
      case 'HandingOver':
      case 'Undecided':
        return figures.enter('HandingOver');
      case 'Done':
        follower.stop();
        figures.done();
        dialogue.close();
        return ending.left();
      case 'Resumed':
      case 'Lost':
        follower.stop();
        figures.stop();
        void stream.close();
        figures.enter('Failed');
        ending.stayed(state);
        if (state.settled) dialogue.close();
        return;
      case 'Preparing':
      case 'Converging':
      case 'Recording':
      case 'Resuming':
        return;
    }
  };

  const tellTooLate = () => {
    const wish = ending.wished();
    if (wish === undefined || telling.status().phase !== 'Serving') return;
    const standing = `It is too late to end the migration (${wish}): the guest runs on its target, and has there what it writes; the rest of its memory follows`;
    telling.tell({ standing });
  };

  const readAndBegin = async () => {
    const record = readSourceRecord(await journal.readRecord());
    if (live === undefined) figures.restore(record?.facts ?? { bytes: 0 });
    if (record?.split === true || record?.record === 'serving') telling.note({ mode: 'PostCopy' });
    return options.begin(record);
  };
  // What a recovery cannot read may be past its commit, so it must not end before that is known.
  const begin = async () =>
    live === undefined
      ? insist(readAndBegin, { hindrance: 'The migration cannot be taken up', stopped: () => closed, hindered, log })
      : readAndBegin();
  const started = begin().then((first) => {
    figures.repeat();
    return startRunner<SourceState, SourceEvent, SourceEffect>({
      begin: first,
      step: stepSource,
      deadlineMs: (state) => sourceDeadlineMs(state, deadlines),
      perform,
      timeout: { type: 'timeout' },
      onSettled,
      clock,
      log,
    });
  });
  started.catch((error: unknown) => {
    // Nothing has begun: without a journal no migration starts. After `close` nobody listens any more.
    void stream.close();
    ending.neverBegan(error);
  });
  const give = (event: SourceEvent) => {
    void started.then((runner) => runner.give(event)).catch(() => undefined);
  };
  void ending.outcome.then(() => {
    unsubscribe?.();
    stopRenewing();
  });

  /** The guest may stand still, and nobody would go on until the next agent comes: brings the move to an end, either end. */
  const leave = async ({ phase }: SourceState) => {
    if (phase === 'Undecided' || phase === 'Serving') return;
    if (phase === 'Preparing' || phase === 'Converging' || phase === 'SwitchingOver')
      give({ type: 'abort', reason: 'The agent of the source node ended during the migration' });
    await ifInTime(ending.outcome, LEAVE_MS, clock);
  };

  return {
    role: 'source',
    identity,
    status: () => telling.status(),
    done: ending.outcome,
    async abort(reason) {
      ending.wish(reason);
      tellTooLate();
      give({ type: 'abort', reason });
      return ending.outcome;
    },
    hear(kind) {
      void started.then((runner) => dialogue.hear({ kind, epoch: runner.state().epoch })).catch(() => undefined);
    },
    async resolve(decision) {
      await started;
      requireUndecided(telling.status(), identity);
      give({ type: 'resolve', decision });
    },
    async close() {
      closed = true;
      const runner = await started.catch(() => undefined);
      if (live !== undefined && runner !== undefined) await leave(runner.state());
      left.abort();
      stopRenewing();
      follower.stop();
      figures.stop();
      dialogue.close();
      copy?.stop();
      await runner?.stop();
      await stream.leave();
    },
  };
}
