import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import {
  stepTarget,
  targetDeadlineMs,
  type SourceMessage,
  type Stepped,
  type TargetEffect,
  type TargetEvent,
  type TargetMessage,
  type TargetState,
} from '@godwit/migration';
import { arrivalOver, arrivesAlready, keepPaused, letRun, watchArrival } from './arrival.ts';
import { DEADLINES } from '../deadlines.ts';
import { durably } from '../durably.ts';
import { createSplitGuestEnding } from './end-split-guest.ts';
import { freshCredentials, type Renew } from '../fresh-credentials.ts';
import { insist } from '../insist.ts';
import type { Journal } from '../journal.ts';
import { prepareTarget } from './prepare-target.ts';
import { startRunner } from '../runner.ts';
import { isCommitted, requireUndecided, targetStatus, tornHindrance } from '../side-status.ts';
import type { TargetContext } from './target-context.ts';
import { createTargetDialogue } from './target-dialogue.ts';
import { createTargetStream } from './target-stream.ts';
import { createStatusTelling } from '../tell-status.ts';
import type { MigrationPorts, TargetMigration, TargetOptions, TargetOutcome } from '../types.ts';
import { createAnswerer, disksAt } from '../verification/answer.ts';
import type { Offer } from '../wire.ts';

export interface DriveOptions {
  readonly context: TargetContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  /** Absent after a restart: nothing is received any more. */
  readonly live: TargetOptions | undefined;
  readonly renew: Renew | undefined;
  readonly begin: () => Promise<Stepped<TargetState, TargetEffect>>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: TargetOptions['onStatus'];
}

/** Runs the target's half of a handover: its machine decides, this carries out and tells. */
export function driveTarget(options: DriveOptions): TargetMigration {
  const { journal, live, clock } = options;
  let context = options.context;
  const { identity } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'target' });
  const outcome = Promise.withResolvers<TargetOutcome>();
  const listening = Promise.withResolvers<MigrationPorts>();
  listening.promise.catch(() => undefined); // told through `done` as well
  const telling = createStatusTelling(options.onStatus);
  const { hindered } = telling;
  let machine = options.machine;
  let isOver = false;
  let stopRenewing = () => {};
  let offer: Offer | undefined;
  let preparing: Promise<void> | undefined;
  let resuming: Promise<unknown> | undefined;
  let lacksMemory = false;

  const tellGone = async () => give({ type: 'gone', lost: await stream.lost() });
  const splitGuest = createSplitGuestEnding({ machine: () => machine, give: (event) => give(event), log });
  const watch = (launched: Machine) => {
    machine = launched;
    launched.onEvent(({ type }) => type === 'shutdown' && splitGuest.shutDown());
    watchArrival(launched, {
      give(event) {
        if (event.type === 'torn') stream.broke();
        if (event.type === 'gone') void tellGone();
        else give(event);
      },
      onPostCopy: () => stream.comes(),
    });
  };
  const fresh = freshCredentials(context.credentials, options.renew, { clock, log });
  const stream = createTargetStream(context, {
    credentials: () => fresh.get(),
    onExit: (reason) => give({ type: 'copyFailed', reason }),
    log,
    clock,
  });
  if (machine !== undefined) watch(machine);

  const say = (message: TargetMessage) => {
    const postCopy = message.kind === 'prepared' && context.prepared?.postCopy === true;
    const rejoin = message.kind === 'torn' ? stream.rejoin() : undefined;
    dialogue.say(message, {
      ...(postCopy && { postCopy }),
      ...(message.kind === 'prepared' && offer?.multifdChannels && { multifdChannels: offer.multifdChannels }),
      ...(rejoin && { rejoin }),
    });
  };

  /** A dead QEMU must be noticed before the commit is recorded: until then the source can still have its guest back. */
  const commitTo = async (message: SourceMessage) => {
    const state = await machine?.state().catch(() => undefined);
    if (state === 'gone') give({ type: 'gone' });
    give({ type: 'message', message });
  };

  /** What was sent before the source's QEMU ended may be all of the memory: the last of it is awaited. */
  const severedFrom = async (message: SourceMessage) => {
    if (machine !== undefined) await arrivalOver(machine, clock);
    give({ type: 'message', message });
  };

  const answerer = createAnswerer(() => {
    const { prepared } = context;
    return disksAt(offer?.copyDisks ?? [], prepared?.spec ?? { disks: [] }, prepared?.backings ?? []);
  });
  const dialogue = createTargetDialogue(context, {
    onSaid(said) {
      if (said.offer !== undefined) offer ??= said.offer;
      const { message } = said;
      if (message.kind === 'commit') void commitTo(message);
      else if (message.kind === 'severed') void severedFrom(message);
      else give({ type: 'message', message });
    },
    async onCall(question) {
      if (machine === undefined || (await machine.state()) === 'gone')
        throw new Error(`The QEMU of the target is gone${await stream.lost()}`);
      if (question.call === 'stopExport') await machine.stopExport();
      return question.call === 'digests' || question.call === 'chunks' ? answerer.answer(question) : undefined;
    },
    onLost: (reason) => give({ type: 'peerLost', reason }),
    log,
  });

  const listen = async (): Promise<MigrationPorts> => {
    const control = await dialogue.listen(await fresh.get());
    context = { ...context, controlPort: control };
    if (!isOver)
      stopRenewing = fresh.follow((next) => {
        dialogue.renew(next);
        stream.renew(next);
      });
    if (live === undefined) return { control, memory: 0, block: 0 };
    const ports = await stream.open();
    await journal.writeContext(context);
    return { control, ...ports };
  };

  const prepare = async () => {
    if (live === undefined || offer === undefined)
      return give({ type: 'prepareFailed', reason: 'The agent restarted' });
    try {
      const prepared = await prepareTarget(live, offer, watch);
      if ('refused' in prepared) return give({ type: 'prepareFailed', reason: prepared.refused });
      const { spec, backings, postCopy } = prepared;
      const { paused } = offer;
      context = { ...context, prepared: { spec, backings, postCopy, ...(paused && { paused }) } };
      await journal.writeContext(context);
      give({ type: 'prepared' });
    } catch (error) {
      give({ type: 'prepareFailed', reason: describeError(error) });
    }
  };

  const waitForRest = async (receiver: Machine): Promise<TargetEvent | undefined> => {
    try {
      await stream.waitForRest(receiver);
      return undefined;
    } catch (error) {
      log.warn({ error: describeError(error) }, 'QEMU does not wait for the rest of the memory');
      return arrivesAlready(receiver, clock);
    }
  };

  const perform = async (effect: TargetEffect): Promise<TargetEvent | undefined> => {
    switch (effect.do) {
      case 'send':
        say(effect.message);
        return undefined;
      case 'journal':
        await durably(() => journal.writeRecord(effect), log, hindered);
        return undefined;
      case 'prepare':
        preparing = prepare();
        return undefined;
      case 'resume':
        // Beside everything else: with memory missing only a stream that is joined again may let QEMU answer.
        resuming = letRun(machine, log, context.prepared?.paused, () => closed).then((type) => type && give({ type }));
        return undefined;
      case 'rejoin':
        return machine === undefined ? undefined : waitForRest(machine);
      case 'end':
        await stream.close();
        await preparing;
        await answerer.stop();
        await machine?.kill();
        return undefined;
    }
  };

  const onSettled = (state: TargetState) => {
    telling.tell({ phase: targetStatus(state), hindrance: tornHindrance(state) });
    const arrival = isCommitted(state) ? state.postCopy : undefined;
    lacksMemory = arrival === 'partial' || arrival === 'torn';
    switch (state.phase) {
      case 'Running': {
        if (lacksMemory) return;
        void stream.close();
        const { prepared } = context;
        if (machine === undefined || prepared === undefined) return;
        const { spec, backings, paused } = prepared;
        const launched = machine;
        const arrived = () =>
          outcome.resolve({ result: 'running', machine: launched, spec, backings, ...(paused && { paused }) });
        if (paused !== true) return arrived();
        return void insist(() => keepPaused(launched), {
          hindrance: 'The guest, which was paused, cannot be paused again',
          stopped: () => closed,
          hindered,
          log,
        }).then(arrived, () => undefined); // the next agent does it
      }
      case 'Lost': {
        void stream.close();
        const { reason = 'The QEMU process ended right after the handover', postCopy } = state;
        return outcome.resolve({ result: 'lost', reason, ...(postCopy === 'partial' && { torn: true }) });
      }
      case 'Aborted':
        return outcome.resolve({ result: 'aborted', reason: state.reason });
      case 'Waiting':
      case 'Preparing':
      case 'Receiving':
      case 'Ready':
      case 'Undecided':
      case 'Committed':
        return;
    }
  };

  // Nobody gives certificates for a migration that has ended; the source finds its end in the VMI's record, if not here.
  void outcome.promise.then(() => {
    isOver = true;
    stopRenewing();
  });

  let closed = false;
  const begun = insist(options.begin, {
    hindrance: 'The migration cannot be taken up',
    stopped: () => closed,
    hindered,
    log,
  });
  const started = begun.then((begin) =>
    startRunner<TargetState, TargetEvent, TargetEffect>({
      begin,
      step: stepTarget,
      deadlineMs: (state) => targetDeadlineMs(state, DEADLINES.target),
      perform,
      timeout: { type: 'timeout' },
      onSettled,
      clock,
      log,
    }),
  );
  const give = (event: TargetEvent) => {
    void started.then((runner) => runner.give(event)).catch(() => undefined);
  };
  started.then(listen).then(listening.resolve, (error: unknown) => {
    listening.reject(error);
    give({ type: 'abort', reason: describeError(error) });
  });

  return {
    role: 'target',
    identity,
    listening: listening.promise,
    status: () => telling.status(),
    machine: () => machine,
    done: outcome.promise,
    async abort(reason) {
      give({ type: 'abort', reason });
      return outcome.promise;
    },
    endGuest(how) {
      if (lacksMemory) splitGuest.end(how);
    },
    async resolve(decision) {
      await started;
      requireUndecided(telling.status(), identity);
      give({ type: 'resolve', decision });
    },
    async close() {
      closed = true;
      await (await started.catch(() => undefined))?.stop();
      // A guest that is to be paused is not left between both; one without its memory may take for ever.
      if (!lacksMemory) await resuming;
      await listening.promise.catch(() => undefined);
      await answerer.stop();
      stopRenewing();
      await dialogue.close();
      await stream.leave();
    },
  };
}
