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
import { listenControl, migrationUri, type ControlChannel, type ControlServer } from '@godwit/migration-link';
import { arrivalOver, arrivesAlready, letRun, watchArrival } from './arrival.ts';
import { DEADLINES } from './deadlines.ts';
import { durably } from './durably.ts';
import { freshCredentials, type Renew } from './fresh-credentials.ts';
import { insist } from './insist.ts';
import type { Journal } from './journal.ts';
import { prepareTarget } from './prepare-target.ts';
import { startRunner } from './runner.ts';
import { isCommitted, requireUndecided, targetStatus, tornHindrance } from './side-status.ts';
import type { TargetContext } from './target-context.ts';
import { createTargetStream } from './target-stream.ts';
import type { MigrationPorts, SideStatus, TargetMigration, TargetOptions, TargetOutcome } from './types.ts';
import { createFlowWatch } from './watch-flow.ts';
import { createAnswerer, disksAt } from './verification/answer.ts';
import { readSourceWire, type Offer, type SourceWire, type TargetWire } from './wire.ts';

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

const ENDED = {
  ask: 'The guest was shut down because its VMI was deleted, while memory of it was still on its source',
  force:
    'The guest was ended because its VMI was deleted, while memory of it was still on its source: it did not shut down within its grace period',
} as const;

/** Runs the target's half of a handover: its machine decides, this carries out and tells. */
export function driveTarget(options: DriveOptions): TargetMigration {
  const { journal, live, clock } = options;
  let context = options.context;
  const { identity } = context;
  const log = options.log.child({ migrationUID: identity.id, role: 'target' });
  const outcome = Promise.withResolvers<TargetOutcome>();
  const listening = Promise.withResolvers<MigrationPorts>();
  listening.promise.catch(() => undefined); // told through `done` as well
  let status: SideStatus = { phase: 'Starting', undecided: false };
  let hindrance: string | undefined;
  const seen = (): SideStatus => (hindrance === undefined ? status : { ...status, hindrance });
  const hindered = (why: string | undefined) => {
    hindrance = why;
    options.onStatus?.(seen());
  };
  let machine = options.machine;
  let server: ControlServer | undefined;
  let isOver = false;
  let stopRenewing = () => {};
  let channel: ControlChannel | undefined;
  let offer: Offer | undefined;
  let preparing: Promise<void> | undefined;
  let resuming: Promise<unknown> | undefined;
  let askedToEnd = false;
  let lacksMemory = false;

  const watch = (launched: Machine) => {
    machine = launched;
    launched.onEvent((event) => {
      if (event.type === 'shutdown' && askedToEnd) give({ type: 'endGuest', reason: ENDED.ask });
    });
    watchArrival(launched, {
      give(event) {
        if (event.type === 'torn') stream.broke();
        give(event);
      },
      onPostCopy: () => stream.keep(),
    });
  };
  const fresh = freshCredentials(context.credentials, options.renew, { clock, log });
  const stream = createTargetStream(context, {
    credentials: () => fresh.get(),
    onExit: (reason) => give({ type: 'copyFailed', reason }),
    log,
    clock,
  });
  const flow = createFlowWatch(clock, {
    carried: () => stream.carried(),
    broken() {
      log.warn({}, 'no memory comes any more');
      machine?.breakStream().catch((error: unknown) => log.warn({ error: describeError(error) }, 'stream not broken'));
    },
  });
  if (machine !== undefined) watch(machine);

  const say = (message: TargetMessage) => {
    const postCopy = message.kind === 'prepared' && context.prepared?.postCopy === true;
    const rejoin = message.kind === 'torn' ? stream.rejoin() : undefined;
    channel?.send({
      type: 'handover',
      message,
      ...(postCopy && { postCopy }),
      ...(message.kind === 'prepared' && offer?.multifdChannels && { multifdChannels: offer.multifdChannels }),
      ...(rejoin && { rejoin }),
    } satisfies TargetWire);
  };

  const hear = (value: unknown, from: ControlChannel) => {
    const wire = readSourceWire(value);
    if (wire === undefined) return from.close();
    if (wire.type === 'handover') {
      if (wire.offer !== undefined) offer ??= wire.offer;
      if (wire.message.kind === 'commit') void commitTo(wire.message);
      else if (wire.message.kind === 'severed') void severedFrom(wire.message);
      else give({ type: 'message', message: wire.message });
    } else void answer(wire, from);
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
  const answer = async (wire: Extract<SourceWire, { type: 'call' }>, to: ControlChannel) => {
    const { id } = wire;
    try {
      if (machine === undefined || (await machine.state()) === 'gone')
        throw new Error('The QEMU of the target is gone');
      if (wire.call === 'stopExport') await machine.stopExport();
      const value = wire.call === 'digests' || wire.call === 'chunks' ? await answerer.answer(wire) : undefined;
      to.send({ type: 'return', id, value } satisfies TargetWire);
    } catch (error) {
      to.send({ type: 'return', id, error: describeError(error) } satisfies TargetWire);
    }
  };

  const listen = async (): Promise<MigrationPorts> => {
    const { host } = context;
    const credentials = await fresh.get();
    const peerUri = migrationUri(identity, 'source');
    server = await listenControl(
      {
        host,
        port: context.controlPort,
        credentials,
        peerUri,
        onRefused: (reason) => log.warn({ reason }, 'refused a connection'),
      },
      (made) => {
        channel?.close();
        channel = made;
        made.onMessage((value) => hear(value, made));
        made.onClose((reason) => {
          if (channel !== made) return;
          channel = undefined;
          give({ type: 'peerLost', reason });
        });
      },
    );
    context = { ...context, controlPort: server.port };
    if (!isOver)
      stopRenewing = fresh.follow((next) => {
        server?.renew(next);
        stream.renew(next);
      });
    if (live === undefined) return { control: server.port, memory: 0, block: 0 };
    const ports = await stream.open();
    await journal.writeContext(context);
    return { control: server.port, ...ports };
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
    status = targetStatus(state);
    hindered(tornHindrance(state));
    const arrival = isCommitted(state) ? state.postCopy : undefined;
    lacksMemory = arrival === 'partial' || arrival === 'torn';
    flow.watch(arrival === 'partial');
    switch (state.phase) {
      case 'Running': {
        if (lacksMemory) return;
        void stream.close();
        const { prepared } = context;
        if (machine === undefined || prepared === undefined) return;
        const { spec, backings, paused } = prepared;
        return outcome.resolve({ result: 'running', machine, spec, backings, ...(paused && { paused }) });
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
    status: seen,
    machine: () => machine,
    done: outcome.promise,
    async abort(reason) {
      give({ type: 'abort', reason });
      return outcome.promise;
    },
    endGuest(how) {
      if (!lacksMemory) return;
      if (how === 'force') return give({ type: 'endGuest', reason: ENDED.force });
      if (askedToEnd) return;
      askedToEnd = true;
      machine?.powerDown().catch((error: unknown) => {
        askedToEnd = false;
        log.warn({ error: describeError(error) }, 'the guest was not asked to shut down');
      });
    },
    async resolve(decision) {
      await started;
      requireUndecided(status, identity);
      give({ type: 'resolve', decision });
    },
    async close() {
      closed = true;
      flow.watch(false);
      await (await started.catch(() => undefined))?.stop();
      // A guest that is to be paused is not left between both; one without its memory may take for ever.
      if (!lacksMemory) await resuming;
      await listening.promise.catch(() => undefined);
      await answerer.stop();
      stopRenewing();
      await server?.close();
      await stream.leave();
    },
  };
}
