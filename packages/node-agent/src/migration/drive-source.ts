import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MachineSpec } from '@godwit/hypervisor';
import {
  convergencePolicy,
  sourceDeadlineMs,
  stepSource,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  type Stepped,
  type TargetMessage,
} from '@godwit/migration';
import { migrationUri } from '@godwit/migration-link';
import { failure, type MigrationMode } from './copy-context.ts';
import { DEADLINES } from './deadlines.ts';
import { freshCredentials, type Renew } from './fresh-credentials.ts';
import { giveBack } from './give-back.ts';
import { insist } from './insist.ts';
import type { Journal } from './journal.ts';
import { recordSource } from './record-source.ts';
import { createSourceRejoin } from './rejoin-source.ts';
import { startRunner } from './runner.ts';
import { requireUndecided, sourceStatus } from './side-status.ts';
import { readSourceRecord, type SourceContext, type SourceJournalRecord } from './source-context.ts';
import { startSourceCopy, type SourceCopy } from './source-copy.ts';
import { createMemoryFollower } from './follow-memory.ts';
import { createSourceFigures } from './source-figures.ts';
import { createSourceLink } from './source-link.ts';
import { createSourceStream } from './source-stream.ts';
import type { SideStatus, SourceMigration, SourceOptions, SourceOutcome } from './types.ts';
import { copiesToVerify } from './verification/copies.ts';
import type { Offer } from './wire.ts';

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
  readonly onStatus: SourceOptions['onStatus'];
}

/** Runs the source's half of a handover: its machine decides, this carries out and tells. */
export function driveSource(options: DriveOptions): SourceMigration {
  const { context, journal, machine, live, clock } = options;
  const { identity, copyDisks, target, credentials } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'source' });
  const outcome = Promise.withResolvers<SourceOutcome>();
  const peerUri = migrationUri(identity, 'target');
  const verification = live?.verify === true ? copiesToVerify(live.spec, copyDisks, clock) : undefined;
  const watchdogMs = DEADLINES.source.watchdogMs + (verification?.budgetMs ?? 0);
  const deadlines = { ...DEADLINES.source, watchdogMs };
  let status: SideStatus = { phase: 'Starting', undecided: false };
  let hindrance: string | undefined;
  let notice: string | undefined;
  let mode: MigrationMode | undefined;
  const seen = (): SideStatus => ({
    ...status,
    ...(mode === undefined ? {} : { mode }),
    ...(hindrance === undefined ? {} : { hindrance }),
    ...(notice === undefined ? {} : { notice }),
  });
  const hindered = (why: string | undefined) => {
    hindrance = why;
    options.onStatus?.(seen());
  };
  let closed = false;
  const left = new AbortController();
  let copy: SourceCopy | undefined;
  let targetTakesPostCopy = false;
  /** Never beside post-copy: QEMU would not refuse it, and it does not work. */
  const wantedChannels = context.postCopy === true ? 0 : (live?.multifdChannels ?? 0);
  let multifdChannels = 0;
  let qemuDowntimeMs: number | undefined;
  let wish: string | undefined;
  const fresh = freshCredentials(credentials, options.renew, { clock, log });
  const stream = createSourceStream(context, {
    live: live !== undefined,
    memoryConnections: 1 + wantedChannels,
    credentials: () => fresh.get(),
    log,
    clock,
  });
  // Disks that are copied anew are connected anew.
  const stopRenewing = fresh.follow((next) => stream.renew(next));
  const { carried } = stream;
  const { startedAtMs: startedMs } = context;
  const figures = createSourceFigures({ startedMs, carried, onProgress: options.onProgress, clock });
  const { mark } = figures;
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

  const link = createSourceLink({
    host: target.host,
    port: target.ports.control,
    credentials: () => fresh.get(),
    peerUri,
    onMessage(message, more) {
      if (message.kind === 'prepared') {
        targetTakesPostCopy = more.postCopy === true;
        const problem = live?.configuration.allowPostCopy === true ? postCopyProblem() : undefined;
        if (problem !== undefined) notice = `Post-copy is allowed, and not possible, because ${problem}`;
        multifdChannels = more.multifdChannels === wantedChannels ? wantedChannels : 0;
      }
      if (message.kind === 'torn') rejoin.place(more.rejoin);
      hear(message);
    },
    onLost: (reason) => give({ type: 'peerLost', reason }),
  });

  const hear = (message: TargetMessage) => {
    const runs = message.kind === 'running' || message.kind === 'whole';
    if (runs && figures.facts().runningAtMs === undefined) figures.note({ runningAtMs: clock.now() });
    give({ type: 'message', message });
  };

  const makeOffer = (spec: MachineSpec): Offer => ({
    protocol: 1,
    spec,
    copyDisks,
    ...(context.postCopy && { postCopy: true }),
    ...(context.paused && { paused: true }),
    ...(wantedChannels > 0 && { multifdChannels: wantedChannels }),
  });

  const perform = async (effect: SourceEffect): Promise<SourceEvent | undefined> => {
    switch (effect.do) {
      case 'send':
        // Nobody waits for this: it changes nothing here, and is said again until it was heard.
        if (effect.message.kind === 'abort') {
          link
            .send({ type: 'handover', message: effect.message })
            .catch((error: unknown) => give({ type: 'peerLost', reason: describeError(error) }));
          return undefined;
        }
        try {
          const offer = live && effect.message.kind === 'hello' ? { offer: makeOffer(live.spec) } : {};
          await link.send({ type: 'handover', message: effect.message, ...offer });
          if (effect.message.kind === 'commit') mark('commit sent');
        } catch (error) {
          return { type: 'peerLost', reason: describeError(error) };
        }
        return undefined;
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
        qemuDowntimeMs = await machine?.memory().then(
          (memory) => memory.downtimeMs,
          () => undefined,
        );
        await stream.close();
        await machine?.kill();
        return undefined;
    }
  };

  const postCopyProblem = () =>
    live?.postCopyProblem ??
    (context.postCopy === true && !targetTakesPostCopy ? 'the target node has no userfaultfd for its QEMU' : undefined);

  const startCopy = () => {
    const { listening } = stream;
    if (machine === undefined || live === undefined || listening === undefined)
      return give({ type: 'copyFailed', reason: 'There is nothing to copy from' });
    mark('target prepared');
    copy = startSourceCopy({
      machine,
      copyDisks,
      policy: convergencePolicy(live.configuration),
      multifdChannels,
      carrier: listening,
      call: (call, timeoutMs) => link.call(call, timeoutMs),
      ...(verification && {
        async verify(check) {
          const found = await verification.compare(machine, link, check);
          mark('disks compared');
          figures.note({ verification: found });
          live.onVerified?.(found);
          if (found.result === 'Different') throw failure(found.message ?? 'The disks are different');
        },
      }),
      report: figures.report,
      mark,
      onPaused: () => give({ type: 'paused' }),
      onMode(next) {
        mode = next;
        options.onStatus?.(seen());
      },
      postCopyProblem,
      onSent: (split) => give({ type: 'sent', split }),
      onFailed: (reason) => give({ type: 'copyFailed', reason }),
      clock,
      log,
    });
  };

  const onSettled = (state: SourceState) => {
    status = sourceStatus(state);
    options.onStatus?.(seen());
    switch (state.phase) {
      case 'SwitchingOver':
        return figures.enter('SwitchingOver');
      case 'Serving':
        tellTooLate();
        if (live !== undefined) follower.start();
        return figures.enter('HandingOver');
      case 'HandingOver':
      case 'Undecided':
        return figures.enter('HandingOver');
      case 'Done':
        follower.stop();
        return succeed();
      case 'Resumed':
      case 'Lost':
        follower.stop();
        figures.stop();
        void stream.close();
        figures.enter('Failed');
        outcome.resolve({
          result: wish === undefined || state.phase === 'Lost' ? 'failed' : 'aborted',
          reason: state.reason,
          sourceRunning: state.phase === 'Resumed',
          timeline: figures.timeline,
          ...verified(),
        });
        if (state.settled) link.close();
        return;
      case 'Preparing':
      case 'Converging':
      case 'Recording':
      case 'Resuming':
        return;
    }
  };

  const tellTooLate = () => {
    if (wish === undefined || status.phase !== 'Serving') return;
    hindered(
      `It is too late to end the migration (${wish}): the guest runs on its target, and has there what it writes; the rest of its memory follows`,
    );
  };
  const verified = () => {
    const { verification: found } = figures.facts();
    return found === undefined ? {} : { verification: found };
  };
  const succeed = () => {
    figures.done();
    link.close();
    outcome.resolve({
      result: 'succeeded',
      bytes: figures.travelled(),
      ...figures.times(),
      timeline: figures.timeline,
      ...(qemuDowntimeMs === undefined ? {} : { qemuDowntimeMs }),
      ...verified(),
    });
  };

  const readAndBegin = async () => {
    const record = readSourceRecord(await journal.readRecord());
    if (live === undefined && record?.facts !== undefined) figures.note(record.facts);
    if (record?.split === true || record?.record === 'serving') mode = 'PostCopy';
    return options.begin(record);
  };
  // What a recovery cannot read may be past its commit, so it must not end before that is known.
  const begin = async () =>
    live === undefined
      ? insist(readAndBegin, { hindrance: 'The migration cannot be taken up', stopped: () => closed, hindered, log })
      : readAndBegin();
  const started = begin().then((first) => {
    if (live !== undefined) figures.repeat();
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
    const { timeline } = figures;
    outcome.resolve({ result: 'failed', reason: describeError(error), sourceRunning: true, timeline });
  });
  const give = (event: SourceEvent) => {
    void started.then((runner) => runner.give(event)).catch(() => undefined);
  };
  void outcome.promise.then(() => {
    unsubscribe?.();
    stopRenewing();
  });

  /** The guest may stand still, and nobody would go on until the next agent comes: brings the move to an end, either end. */
  const leave = async ({ phase }: SourceState) => {
    if (phase === 'Undecided' || phase === 'Serving') return;
    if (phase === 'Preparing' || phase === 'Converging' || phase === 'SwitchingOver')
      give({ type: 'abort', reason: 'The agent of the source node ended during the migration' });
    let cancel = () => {};
    const late = new Promise<void>((resolve) => (cancel = clock.after(LEAVE_MS, resolve)));
    await Promise.race([outcome.promise, late]);
    cancel();
  };

  return {
    role: 'source',
    identity,
    status: seen,
    done: outcome.promise,
    async abort(reason) {
      wish = reason;
      tellTooLate();
      give({ type: 'abort', reason });
      return outcome.promise;
    },
    hear(kind) {
      void started.then((runner) => hear({ kind, epoch: runner.state().epoch })).catch(() => undefined);
    },
    async resolve(decision) {
      await started;
      requireUndecided(status, identity);
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
      link.close();
      copy?.stop();
      await runner?.stop();
      await stream.leave();
    },
  };
}
