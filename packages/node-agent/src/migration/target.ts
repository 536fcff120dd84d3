import { systemClock, type Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import {
  recoverTargetHandover,
  stepTarget,
  targetDeadlineMs,
  targetWaiting,
  type SourceMessage,
  type Stepped,
  type TargetEffect,
  type TargetEvent,
  type TargetState,
} from '@godwit/migration';
import {
  listenControl,
  migrationUri,
  startCarrier,
  type Carrier,
  type ControlChannel,
  type ControlServer,
} from '@godwit/migration-link';
import { DEADLINES } from './deadlines.ts';
import { durably } from './durably.ts';
import { insist } from './insist.ts';
import { openJournal, type Journal } from './journal.ts';
import { prepareTarget, qemuSockets } from './prepare-target.ts';
import { startRunner } from './runner.ts';
import { readTargetRecord, type TargetContext } from './target-context.ts';
import type { MigrationPorts, SideStatus, TargetMigration, TargetOptions, TargetOutcome } from './types.ts';
import { createAnswerer, disksAt } from './verification/answer.ts';
import { readSourceWire, type Offer, type SourceWire, type TargetWire } from './wire.ts';

/** Waits for a guest to arrive. Nothing of it executes here before the commit is on disk. */
export function startTarget(options: TargetOptions): TargetMigration {
  const { identity, directory, credentials, journalDir } = options;
  const journal = openJournal(journalDir, identity.id, 'target');
  return driveTarget({
    context: { identity, directory, host: options.host ?? '127.0.0.1', controlPort: 0, credentials },
    journal,
    machine: undefined,
    live: options,
    begin: async () => ({ next: targetWaiting, effects: [] }),
    log: options.log,
    clock: options.clock ?? systemClock,
    onStatus: options.onStatus,
  });
}

/** Continues after a restart of the agent. `machine` is undefined when its QEMU is gone. */
export function recoverTarget(options: {
  readonly context: TargetContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: ((status: SideStatus) => void) | undefined;
}): TargetMigration {
  const { journal, machine } = options;
  return driveTarget({
    ...options,
    live: undefined,
    begin: async () => {
      // Without a record no hello was answered: the source has nothing to expect from us.
      const record = readTargetRecord(await journal.readRecord()) ?? { record: 'started', epoch: 0 };
      return recoverTargetHandover(record, machine === undefined ? 'gone' : await observe(machine));
    },
  });
}

async function observe(machine: Machine): Promise<'incoming' | 'loaded' | 'running' | 'gone'> {
  const state = await machine.state();
  switch (state) {
    case 'incoming':
    case 'gone':
      return state;
    case 'paused':
      return 'loaded';
    case 'running':
    case 'postmigrate':
    case 'finish-migrate':
    case 'shutdown':
    case 'io-error':
    case 'internal-error':
      return 'running';
  }
}

interface DriveOptions {
  readonly context: TargetContext;
  readonly journal: Journal;
  readonly machine: Machine | undefined;
  /** Absent after a restart: nothing is received any more. */
  readonly live: TargetOptions | undefined;
  readonly begin: () => Promise<Stepped<TargetState, TargetEffect>>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onStatus: TargetOptions['onStatus'];
}

const RESUME_RETRY_MS = 50;

function driveTarget(options: DriveOptions): TargetMigration {
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
  let carrier: Carrier | undefined;
  let server: ControlServer | undefined;
  let channel: ControlChannel | undefined;
  let offer: Offer | undefined;
  let preparing: Promise<void> | undefined;

  const watch = (launched: Machine) => {
    machine = launched;
    launched.onEvent((event) => {
      if (event.type === 'exited') give({ type: 'gone' });
      if (event.type === 'migration' && event.status === 'completed') give({ type: 'loaded' });
      if (event.type === 'migration' && event.status === 'failed')
        give({
          type: 'copyFailed',
          reason:
            'Loading the memory failed: the connection from the source broke off, or what came is no guest of this QEMU',
        });
    });
  };
  if (machine !== undefined) watch(machine);

  const say = (wire: TargetWire) => channel?.send(wire);

  const hear = (value: unknown, from: ControlChannel) => {
    const wire = readSourceWire(value);
    if (wire === undefined) return from.close();
    if (wire.type === 'handover') {
      if (wire.offer !== undefined) offer ??= wire.offer;
      if (wire.message.kind === 'commit') void commitTo(wire.message);
      else give({ type: 'message', message: wire.message });
    } else void answer(wire, from);
  };

  /** A dead QEMU must be noticed before the commit is recorded: until then the source can still have its guest back. */
  const commitTo = async (message: SourceMessage) => {
    const state = await machine?.state().catch(() => undefined);
    if (state === 'gone') give({ type: 'gone' });
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
    const { credentials, host } = context;
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
    if (live === undefined) return { control: server.port, memory: 0, block: 0 };
    const tls = live.configuration.disableTLS === true ? {} : { tls: { credentials, peerUri } };
    carrier = await startCarrier({ role: 'target', host, sockets: qemuSockets(context.directory), ...tls }, (reason) =>
      log.warn({ reason }, 'carrier'),
    );
    carrier.onExit((reason) => give({ type: 'copyFailed', reason }));
    await journal.writeContext(context);
    return { control: server.port, memory: carrier.ports?.memory ?? 0, block: carrier.ports?.block ?? 0 };
  };

  const prepare = async () => {
    if (live === undefined || offer === undefined)
      return give({ type: 'prepareFailed', reason: 'The agent restarted' });
    try {
      const prepared = await prepareTarget(live, offer, watch);
      if ('refused' in prepared) return give({ type: 'prepareFailed', reason: prepared.refused });
      context = { ...context, prepared: { spec: prepared.spec, backings: prepared.backings } };
      await journal.writeContext(context);
      give({ type: 'prepared' });
    } catch (error) {
      give({ type: 'prepareFailed', reason: describeError(error) });
    }
  };

  const resume = async (): Promise<TargetEvent> => {
    for (;;) {
      try {
        if (machine === undefined) return { type: 'gone' };
        await machine.resume();
        return { type: 'running' };
      } catch (error) {
        const state = await machine?.state().catch(() => undefined);
        if (state === 'gone') return { type: 'gone' };
        if (state === 'running') return { type: 'running' };
        log.error({ error: describeError(error) }, 'the target does not run yet');
        await new Promise((again) => setTimeout(again, RESUME_RETRY_MS));
      }
    }
  };

  const perform = async (effect: TargetEffect): Promise<TargetEvent | undefined> => {
    switch (effect.do) {
      case 'send':
        say({ type: 'handover', message: effect.message });
        return undefined;
      case 'journal':
        await durably(() => journal.writeRecord(effect), log, hindered);
        return undefined;
      case 'prepare':
        preparing = prepare();
        return undefined;
      case 'resume':
        return resume();
      case 'end':
        await carrier?.close();
        await preparing;
        await answerer.stop();
        await machine?.kill();
        return undefined;
    }
  };

  const onSettled = (state: TargetState) => {
    status = statusOf(state);
    options.onStatus?.(seen());
    switch (state.phase) {
      case 'Running': {
        void carrier?.close();
        const { prepared } = context;
        if (machine === undefined || prepared === undefined) return;
        return outcome.resolve({ result: 'running', machine, ...prepared });
      }
      case 'Lost':
        void carrier?.close();
        return outcome.resolve({ result: 'lost', reason: 'The QEMU process ended right after the handover' });
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
      await (await started.catch(() => undefined))?.stop();
      await listening.promise.catch(() => undefined);
      await answerer.stop();
      await server?.close();
      await carrier?.close();
    },
  };
}

function statusOf(state: TargetState): SideStatus {
  switch (state.phase) {
    case 'Undecided':
      return {
        phase: state.phase,
        undecided: true,
        message:
          'Everything has arrived, but the source does not say who runs the guest: it stays paused until it does or a human decides',
      };
    case 'Aborted':
      return { phase: state.phase, undecided: false, message: state.reason };
    case 'Waiting':
    case 'Preparing':
    case 'Receiving':
    case 'Ready':
    case 'Committed':
    case 'Running':
    case 'Lost':
      return { phase: state.phase, undecided: false };
  }
}
