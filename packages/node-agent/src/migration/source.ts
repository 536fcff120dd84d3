import { systemClock, type Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MachineSpec } from '@godwit/hypervisor';
import {
  accumulateProgress,
  convergencePolicy,
  noProgress,
  recoverSourceHandover,
  sourceDeadlineMs,
  startSourceHandover,
  stepSource,
  type ProgressReading,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  type Stepped,
} from '@godwit/migration';
import { migrationUri } from '@godwit/migration-link';
import { failure, type MigrationMode } from './copy-context.ts';
import { DEADLINES } from './deadlines.ts';
import { isCertainlyUnwritten, openJournal, type Journal } from './journal.ts';
import { durably } from './durably.ts';
import { insist } from './insist.ts';
import { restoreSource } from './restore-source.ts';
import { startRunner } from './runner.ts';
import { readSourceRecord, type SourceContext, type SourceFacts, type SourceJournalRecord } from './source-context.ts';
import { startSourceCarrier } from './source-carrier.ts';
import { startSourceCopy, type SourceCopy } from './source-copy.ts';
import { createSourceLink } from './source-link.ts';
import { disksAt } from './verification/answer.ts';
import { verificationBudgetMs } from './verification/budget.ts';
import { remoteCounterpart } from './verification/counterpart.ts';
import { verifyDisks } from './verification/verify.ts';
import type { SideStatus, SourceMigration, SourceOptions, SourceOutcome, TimelineEntry } from './types.ts';

/** An agent that is told to end has this long to let the guest run, on one side or the other. */
const LEAVE_MS = 5000;

/** Moves the running guest of `options.machine` to the target. See `SourceMigration` for what holds after each outcome. */
export function startSource(options: SourceOptions): SourceMigration {
  const { identity, machine, copyDisks, target, credentials, journalDir } = options;
  const context: SourceContext = {
    identity,
    directory: machine.directory,
    copyDisks,
    target,
    credentials,
    startedAtMs: (options.clock ?? systemClock).now(),
  };
  const journal = openJournal(journalDir, identity.id, 'source');
  return driveSource({
    context,
    journal,
    machine,
    begin: async (before) => {
      await journal.writeContext(context);
      return startSourceHandover((before?.epoch ?? 0) + 1);
    },
    live: { ...options, verify: options.verify === true },
    log: options.log,
    clock: options.clock ?? systemClock,
    onProgress: options.onProgress,
    onStatus: options.onStatus,
  });
}

/** Continues after a restart of the agent from the journal. `machine` is undefined when its QEMU is gone. */
export function recoverSource(options: {
  readonly context: SourceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
}): SourceMigration {
  const { machine } = options;
  return driveSource({
    ...options,
    live: undefined,
    onProgress: undefined,
    begin: async (record = { record: 'started', epoch: 0 }) => {
      const state = machine === undefined ? 'gone' : await machine.state();
      const paused = state === 'paused' || state === 'finish-migrate' || state === 'postmigrate';
      return recoverSourceHandover(record, state === 'gone' ? 'gone' : paused ? 'paused' : 'running');
    },
  });
}

type Live = Pick<SourceOptions, 'spec' | 'configuration' | 'onVerified'> & { readonly verify: boolean };

interface DriveOptions {
  readonly context: SourceContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly begin: (record: SourceJournalRecord | undefined) => Promise<Stepped<SourceState, SourceEffect>>;
  /** Absent after a restart: nothing is copied any more. */
  readonly live: Live | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onProgress: SourceOptions['onProgress'];
  readonly onStatus: SourceOptions['onStatus'];
}

function driveSource(options: DriveOptions): SourceMigration {
  const { context, journal, machine, live, clock } = options;
  const { identity, copyDisks, target, credentials } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'source' });
  const startedMs = context.startedAtMs;
  const outcome = Promise.withResolvers<SourceOutcome>();
  const timeline: TimelineEntry[] = [];
  const mark = (step: string) => timeline.push({ step, atMs: clock.now() - startedMs });
  const peerUri = migrationUri(identity, 'target');
  /** What a comparison of the disks may add to the time for which the guest stands still. */
  const budgetMs = live?.verify === true ? verificationBudgetMs(sizeOf(live.spec, copyDisks)) : 0;
  const deadlines = { ...DEADLINES.source, watchdogMs: DEADLINES.source.watchdogMs + budgetMs };
  let status: SideStatus = { phase: 'Starting', undecided: false };
  let hindrance: string | undefined;
  let mode: MigrationMode | undefined;
  const seen = (): SideStatus => ({
    ...status,
    ...(mode === undefined ? {} : { mode }),
    ...(hindrance === undefined ? {} : { hindrance }),
  });
  const hindered = (why: string | undefined) => {
    hindrance = why;
    options.onStatus?.(seen());
  };
  let closed = false;
  const left = new AbortController();
  let copy: SourceCopy | undefined;
  let facts: SourceFacts = { bytes: 0 };
  let qemuDowntimeMs: number | undefined;
  let wish: string | undefined;
  let progress = noProgress;
  let reading: Omit<ProgressReading, 'atMs'> = { stage: 'Preparing' };

  // Beside the target's preparations, which take longer.
  const carrier = live && startSourceCarrier(context, { plain: live.configuration.disableTLS === true, log });
  const travelled = (): number => Math.max(facts.bytes, carrier?.carried() ?? 0);

  const report = (next: Omit<ProgressReading, 'atMs'>) => {
    reading = next;
    progress = accumulateProgress(progress, { ...next, bytesTransferred: travelled(), atMs: clock.now() });
    if (progress.published !== undefined) options.onProgress?.(progress.published);
  };
  let cancelBeat = () => {};
  const beat = () => {
    report(reading);
    cancelBeat = clock.after(900, beat);
  };
  const unsubscribe = machine?.onEvent((event) => {
    if (event.type === 'stopped') facts = { ...facts, stoppedAtMs: event.atMs };
    if (event.type === 'exited') give({ type: 'sourceGone' });
  });

  const link = createSourceLink({
    host: target.host,
    port: target.ports.control,
    credentials,
    peerUri,
    onMessage(message) {
      if (message.kind === 'running' && facts.runningAtMs === undefined) facts = { ...facts, runningAtMs: clock.now() };
      give({ type: 'message', message });
    },
    onLost: (reason) => give({ type: 'peerLost', reason }),
  });

  const perform = async (effect: SourceEffect): Promise<SourceEvent | undefined> => {
    switch (effect.do) {
      case 'send':
        try {
          const offer =
            live && effect.message.kind === 'hello'
              ? { offer: { protocol: 1 as const, spec: live.spec, copyDisks } }
              : {};
          await link.send({ type: 'handover', message: effect.message, ...offer });
          if (effect.message.kind === 'commit') mark('commit sent');
        } catch (error) {
          return { type: 'peerLost', reason: describeError(error) };
        }
        return undefined;
      case 'journal': {
        // The guest runs there, or runs on here: nothing more will be carried, and the count becomes exact.
        if (effect.record === 'done') await carrier?.close();
        facts = { ...facts, bytes: travelled() };
        const entry: SourceJournalRecord = { ...effect, facts };
        if (effect.record !== 'handing-over') {
          await durably(() => journal.writeRecord(entry), log, hindered);
          if (effect.record === 'done') reportDone();
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
      case 'copy':
        startCopy();
        return undefined;
      case 'restore': {
        const result = await giveBack();
        mark('source restored');
        return { type: result === 'running' ? 'sourceRunning' : 'sourceGone' };
      }
      case 'release':
        qemuDowntimeMs = await machine?.memory().then(
          (memory) => memory.downtimeMs,
          () => undefined,
        );
        await carrier?.close();
        await machine?.kill();
        return undefined;
    }
  };

  const giveBack = async () => {
    copy?.stop();
    // Beside it, so that it cannot hold the guest: the connections are cut anyway.
    const closed = carrier?.close();
    const result = await restoreSource(machine, copyDisks, log, hindered, left.signal);
    // A step of the copy may have been under way meanwhile: look again once it is over.
    await copy?.over;
    await closed;
    return copy === undefined ? result : restoreSource(machine, copyDisks, log, hindered, left.signal);
  };

  const startCopy = () => {
    if (machine === undefined || live === undefined || carrier === undefined)
      return give({ type: 'copyFailed', reason: 'There is nothing to copy from' });
    mark('target prepared');
    copy = startSourceCopy({
      machine,
      copyDisks,
      policy: convergencePolicy(live.configuration),
      carrier: carrier.listening,
      call: (call, timeoutMs) => link.call(call, timeoutMs),
      ...(live.verify && { verify: (check) => verifyCopies(machine, live, check) }),
      report,
      mark,
      onPaused: () => give({ type: 'paused' }),
      onMode(next) {
        mode = next;
        options.onStatus?.(seen());
      },
      onSent: () => give({ type: 'sent' }),
      onFailed: (reason) => give({ type: 'copyFailed', reason }),
      clock,
      log,
    });
  };

  const verifyCopies = async (running: Machine, { spec, onVerified }: Live, check: () => void) => {
    const disks = disksAt(copyDisks, spec, await running.backings());
    const target = () => remoteCounterpart((question, timeoutMs) => link.ask(question, timeoutMs), budgetMs);
    const verification = await verifyDisks({ disks, target, check, clock });
    mark('disks compared');
    facts = { ...facts, verification };
    onVerified?.(verification);
    if (verification.result === 'Different') throw failure(verification.message ?? 'The disks are different');
  };

  const onSettled = (state: SourceState) => {
    status = statusOf(state);
    options.onStatus?.(seen());
    switch (state.phase) {
      case 'SwitchingOver':
        return report({ ...reading, stage: 'SwitchingOver' });
      case 'HandingOver':
      case 'Undecided':
        return report({ ...reading, stage: 'HandingOver' });
      case 'Done':
        return succeed();
      case 'Resumed':
      case 'Lost':
        cancelBeat();
        void carrier?.close();
        report({ ...reading, stage: 'Failed' });
        outcome.resolve({
          result: wish === undefined ? 'failed' : 'aborted',
          reason: state.reason,
          sourceRunning: state.phase === 'Resumed',
          timeline,
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

  const verified = () => (facts.verification === undefined ? {} : { verification: facts.verification });
  const times = () => {
    const { stoppedAtMs, runningAtMs = clock.now() } = facts;
    const downtimeMs = stoppedAtMs === undefined ? 0 : Math.max(0, runningAtMs - stoppedAtMs);
    return { totalMs: runningAtMs - startedMs, downtimeMs };
  };
  /** As early as it is certain: whoever sees that the migration succeeded should find the last figures as well. */
  const reportDone = () => {
    mark('done');
    cancelBeat();
    facts = { ...facts, runningAtMs: facts.runningAtMs ?? clock.now() };
    report({ ...reading, stage: 'Done', ...times() });
  };

  const succeed = () => {
    if (progress.published?.stage !== 'Done') reportDone();
    link.close();
    outcome.resolve({
      result: 'succeeded',
      bytes: travelled(),
      ...times(),
      timeline,
      ...(qemuDowntimeMs === undefined ? {} : { qemuDowntimeMs }),
      ...verified(),
    });
  };

  const readAndBegin = async () => {
    const record = readSourceRecord(await journal.readRecord());
    if (live === undefined && record?.facts !== undefined) facts = record.facts;
    return options.begin(record);
  };
  // What a recovery cannot read may be past its commit, so it must not end before that is known.
  const begin = async () =>
    live === undefined
      ? insist(readAndBegin, { hindrance: 'The migration cannot be taken up', stopped: () => closed, hindered, log })
      : readAndBegin();
  const started = begin().then((first) => {
    if (live !== undefined) beat();
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
    void carrier?.close();
    outcome.resolve({ result: 'failed', reason: describeError(error), sourceRunning: true, timeline });
  });
  const give = (event: SourceEvent) => {
    void started.then((runner) => runner.give(event)).catch(() => undefined);
  };
  void outcome.promise.then(() => unsubscribe?.());

  /** The guest may stand still, and nobody would go on until the next agent comes: brings the move to an end, either end. */
  const leave = async ({ phase }: SourceState) => {
    if (phase === 'Undecided') return;
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
      give({ type: 'abort', reason });
      return outcome.promise;
    },
    async resolve(decision) {
      await started;
      if (!status.undecided)
        throw new GodwitError(
          'MIGRATION_NOT_UNDECIDED',
          `Migration ${identity.id} needs no decision in ${status.phase}`,
        );
      give({ type: 'resolve', decision });
    },
    async close() {
      closed = true;
      const runner = await started.catch(() => undefined);
      if (live !== undefined && runner !== undefined) await leave(runner.state());
      left.abort();
      cancelBeat();
      link.close();
      copy?.stop();
      await runner?.stop();
      await carrier?.close();
    },
  };
}

function sizeOf(spec: MachineSpec, disks: readonly string[]): number {
  return spec.disks.reduce((sum, { name, sizeBytes }) => (disks.includes(name) ? sum + sizeBytes : sum), 0);
}

function statusOf(state: SourceState): SideStatus {
  switch (state.phase) {
    case 'Undecided':
      return {
        phase: state.phase,
        undecided: true,
        message:
          'The target does not answer after the handover began: the guest is paused on both sides until it does or a human decides',
      };
    case 'Resuming':
    case 'Resumed':
    case 'Lost':
      return { phase: state.phase, undecided: false, message: state.reason };
    case 'Preparing':
    case 'Converging':
    case 'SwitchingOver':
    case 'Recording':
    case 'HandingOver':
    case 'Done':
      return { phase: state.phase, undecided: false };
  }
}
