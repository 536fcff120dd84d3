import type { SourceMessage, TargetMessage } from '../messages.ts';
import {
  recoverSourceHandover,
  sourceDeadlineMs,
  startSourceHandover,
  stepSource,
  type SourceEffect,
  type SourceEvent,
  type SourceRecord,
  type SourceState,
} from '../source-handover.ts';
import { isDenied, type StepResult } from '../step.ts';
import {
  recoverTargetHandover,
  stepTarget,
  targetDeadlineMs,
  targetWaiting,
  type TargetEffect,
  type TargetEvent,
  type TargetRecord,
  type TargetState,
} from '../target-handover.ts';

/**
 * A world in which both machines, their agents, their QEMUs and the network may do anything they can do in reality.
 * The network is a set of messages that are never taken out: each may arrive never (lost), late, in any order and again.
 * Journals survive a crash; states, effects not yet carried out and events not yet handled do not.
 */
export interface World {
  readonly source: Side<SourceState, SourceEffect, SourceEvent, SourceRecord> & { readonly qemu: SourceQemu };
  readonly target: Side<TargetState, TargetEffect, TargetEvent, TargetRecord> & { readonly qemu: TargetQemu };
  readonly toTarget: readonly SourceMessage[];
  readonly toSource: readonly TargetMessage[];
}

interface Side<State, Effect, Event, Record> {
  /** undefined: the agent is down. */
  readonly state: State | undefined;
  readonly pending: readonly Effect[];
  readonly inbox: readonly Event[];
  readonly record: { readonly record: Record; readonly epoch: number; readonly settled: boolean } | undefined;
  /** The attempt QEMU works for. */
  readonly epoch: number;
  /** Fenced by a human: this side never comes back. */
  readonly fenced: boolean;
}

/** copying: runs with jobs; paused: pre-switchover; sent: postmigrate; released: ended because the target has the guest. */
type SourceQemu = 'running' | 'copying' | 'paused' | 'sent' | 'gone' | 'released';
type TargetQemu = 'none' | 'incoming' | 'loaded' | 'running' | 'gone';

export interface Move {
  readonly name: string;
  /** fair: happens in the end if nothing bad happens; bad: failures; wish: a user's or a human's decision. */
  readonly kind: 'fair' | 'bad' | 'wish';
  /** Which side does it without hearing from the other. */
  readonly alone: 'source' | 'target' | 'neither';
  readonly world: World;
}

export interface WorldOptions {
  readonly epochs: number;
  /** Humans may fence one side and resolve on the other. */
  readonly humans: boolean;
  readonly onDenied: (side: string, text: string) => void;
}

export function initialWorld(): World {
  const begin = startSourceHandover(1);
  const side = { inbox: [], record: undefined, epoch: 0, fenced: false };
  return {
    source: { ...side, state: begin.next, pending: begin.effects, qemu: 'running' },
    target: { ...side, state: targetWaiting, pending: [], qemu: 'none' },
    toTarget: [],
    toSource: [],
  };
}

export const sourceExecutes = (world: World): boolean =>
  world.source.qemu === 'running' || world.source.qemu === 'copying';
export const targetExecutes = (world: World): boolean => world.target.qemu === 'running';

/** Everything that may happen next. */
export function moves(world: World, options: WorldOptions): Move[] {
  return [...sourceMoves(world, options), ...targetMoves(world, options)];
}

/** Equal worlds have equal texts: messages as sets, reasons left out. */
export function encode(world: World): string {
  const key = (message: { kind: string; epoch: number }) => `${message.kind}${message.epoch}`;
  const set = (messages: readonly { kind: string; epoch: number }[]) => messages.map(key).toSorted().join();
  return JSON.stringify(
    [world.source, world.target, set(world.toTarget), set(world.toSource)],
    (name, value: unknown) => (name === 'reason' || (name === 'abort' && value !== undefined) ? 'r' : value),
  );
}

function sourceMoves(world: World, options: WorldOptions): Move[] {
  const { source, target } = world;
  const out: Move[] = [];
  const put = (
    kind: Move['kind'],
    name: string,
    change: Partial<World['source']>,
    rest: Partial<World> = {},
    alone: Move['alone'] = 'source',
  ) =>
    out.push({ kind, name: `source ${name}`, alone, world: { ...world, ...rest, source: { ...source, ...change } } });
  if (source.fenced) return out;
  const up = source.state !== undefined;
  const hear = (event: SourceEvent) => (up ? { inbox: [...source.inbox, event] } : {});
  const quiet = source.inbox.length < 2;

  // QEMU by itself.
  if (quiet && source.qemu !== 'gone' && source.qemu !== 'released')
    put('bad', 'QEMU dies', { qemu: 'gone', ...hear({ type: 'sourceGone' }) });
  if (quiet && source.qemu === 'copying') {
    put('fair', 'QEMU pauses', { qemu: 'paused', ...hear({ type: 'paused' }) });
    put('bad', 'copy fails', { qemu: 'running', ...hear({ type: 'copyFailed', reason: 'r' }) });
  }
  if (quiet && source.qemu === 'paused') {
    put('bad', 'switchover fails, QEMU resumes', { qemu: 'running', ...hear({ type: 'copyFailed', reason: 'r' }) });
    if (target.epoch === source.epoch && target.qemu !== 'incoming' && target.qemu !== 'none')
      put('fair', 'QEMU has sent all', { qemu: 'sent', ...hear({ type: 'sent' }) }, {}, 'neither');
  }

  // The agent.
  if (source.state === undefined) {
    const guest = sourceExecutes(world)
      ? 'running'
      : source.qemu === 'paused' || source.qemu === 'sent'
        ? 'paused'
        : 'gone';
    const next = source.record === undefined ? startSourceHandover(1) : recoverSourceHandover(source.record, guest);
    put('fair', 'agent restarts', { state: next.next, pending: next.effects });
    return out;
  }
  put('bad', 'agent dies', { state: undefined, pending: [], inbox: [] });
  const [effect, ...later] = source.pending;
  if (effect !== undefined) {
    const done = { pending: later };
    switch (effect.do) {
      case 'send':
        put('fair', `sends ${effect.message.kind}`, done, { toTarget: add(world.toTarget, effect.message) });
        break;
      case 'journal': {
        const { record, epoch } = effect;
        const report = effect.record === 'handing-over';
        const entry = { record, epoch, settled: effect.settled ?? false };
        put('fair', `records ${record}`, { ...done, record: entry, ...(report ? hear({ type: 'recorded' }) : {}) });
        if (report) put('bad', 'cannot record', { ...done, ...hear({ type: 'recordFailed', reason: 'r' }) });
        break;
      }
      case 'copy':
        if (source.qemu === 'running') put('fair', 'copies', { ...done, qemu: 'copying', epoch: source.state.epoch });
        else put('fair', 'cannot copy', { ...done, ...hear({ type: 'copyFailed', reason: 'r' }) });
        break;
      case 'restore':
        if (source.qemu === 'gone' || source.qemu === 'released')
          put('fair', 'finds QEMU gone', { ...done, ...hear({ type: 'sourceGone' }) });
        else put('fair', 'restores the guest', { ...done, qemu: 'running', ...hear({ type: 'sourceRunning' }) });
        break;
      case 'release':
        put('fair', 'ends QEMU', { ...done, qemu: 'released' });
        break;
    }
    return out;
  }
  const give = (
    kind: Move['kind'],
    name: string,
    event: SourceEvent,
    rest: Partial<World['source']> = {},
    alone: Move['alone'] = 'source',
  ) => {
    const state = source.state;
    if (state === undefined) return;
    const next = accept(stepSource(state, event), `source ${state.phase}`, options);
    if (next !== undefined) put(kind, name, { ...rest, state: next.next, pending: next.effects }, {}, alone);
    else if (rest.inbox !== undefined) put(kind, name, rest, {}, alone);
  };
  const [event, ...events] = source.inbox;
  if (event !== undefined) {
    give('fair', `handles ${event.type}`, event, { inbox: events });
    return out;
  }
  for (const message of world.toSource)
    give('fair', `hears ${message.kind}`, { type: 'message', message }, {}, 'neither');
  const policy = { prepareMs: 1, watchdogMs: 1, askMs: 1 };
  if (sourceDeadlineMs(source.state, policy) !== undefined) give('fair', 'times out', { type: 'timeout' });
  give('bad', 'loses the link', { type: 'peerLost', reason: 'r' });
  give('wish', 'is told to abort', { type: 'abort', reason: 'r' });
  if (options.humans && source.state.phase === 'Undecided' && !target.fenced) {
    const next = accept(stepSource(source.state, { type: 'resolve', decision: 'resume-source' }), 'source', options);
    if (next !== undefined)
      put(
        'wish',
        'is resolved, the target fenced',
        { state: next.next, pending: next.effects },
        {
          target: { ...target, state: undefined, pending: [], inbox: [], fenced: true, qemu: 'gone' },
        },
        'neither',
      );
  }
  if (source.state.phase === 'Resumed' && source.qemu === 'running' && source.state.epoch < options.epochs) {
    const next = startSourceHandover(source.state.epoch + 1);
    put('wish', 'tries again', { state: next.next, pending: next.effects });
  }
  return out;
}

function targetMoves(world: World, options: WorldOptions): Move[] {
  const { source, target } = world;
  const out: Move[] = [];
  const put = (
    kind: Move['kind'],
    name: string,
    change: Partial<World['target']>,
    rest: Partial<World> = {},
    alone: Move['alone'] = 'target',
  ) =>
    out.push({ kind, name: `target ${name}`, alone, world: { ...world, ...rest, target: { ...target, ...change } } });
  if (target.fenced) return out;
  const hear = (event: TargetEvent) => (target.state !== undefined ? { inbox: [...target.inbox, event] } : {});
  const quiet = target.inbox.length < 2;

  if (quiet && target.qemu !== 'none' && target.qemu !== 'gone')
    put('bad', 'QEMU dies', { qemu: 'gone', ...hear({ type: 'gone' }) });
  if (quiet && target.qemu === 'incoming' && source.qemu === 'paused' && source.epoch === target.epoch)
    put('fair', 'QEMU has loaded all', { qemu: 'loaded', ...hear({ type: 'loaded' }) }, {}, 'neither');
  if (target.state === undefined) {
    const next = recoverTargetHandover(target.record, target.qemu);
    put('fair', 'agent restarts', { state: next.next, pending: next.effects });
    return out;
  }
  put('bad', 'agent dies', { state: undefined, pending: [], inbox: [] });
  const [effect, ...later] = target.pending;
  if (effect !== undefined) {
    const done = { pending: later };
    switch (effect.do) {
      case 'send':
        put('fair', `sends ${effect.message.kind}`, done, { toSource: add(world.toSource, effect.message) });
        break;
      case 'journal': {
        const { record, epoch } = effect;
        put('fair', `records ${record}`, { ...done, record: { record, epoch, settled: false } });
        break;
      }
      case 'prepare': {
        const epoch = 'epoch' in target.state ? target.state.epoch : 0;
        put('fair', 'starts QEMU', { ...done, qemu: 'incoming', epoch, ...hear({ type: 'prepared' }) });
        put('bad', 'cannot prepare', { ...done, ...hear({ type: 'prepareFailed', reason: 'r' }) });
        break;
      }
      case 'resume':
        if (target.qemu === 'loaded') put('fair', 'runs', { ...done, qemu: 'running', ...hear({ type: 'running' }) });
        else put('fair', 'cannot run', { ...done, ...hear({ type: 'gone' }) });
        break;
      case 'end':
        put('fair', 'ends QEMU', { ...done, qemu: target.qemu === 'none' ? 'none' : 'gone' });
        break;
    }
    return out;
  }
  const give = (
    kind: Move['kind'],
    name: string,
    event: TargetEvent,
    rest: Partial<World['target']> = {},
    alone: Move['alone'] = 'target',
  ) => {
    const state = target.state;
    if (state === undefined) return;
    const next = accept(stepTarget(state, event), `target ${state.phase}`, options);
    if (next !== undefined) put(kind, name, { ...rest, state: next.next, pending: next.effects }, {}, alone);
    else if (rest.inbox !== undefined) put(kind, name, rest, {}, alone);
  };
  const [event, ...events] = target.inbox;
  if (event !== undefined) {
    give('fair', `handles ${event.type}`, event, { inbox: events });
    return out;
  }
  for (const message of world.toTarget)
    give('fair', `hears ${message.kind}`, { type: 'message', message }, {}, 'neither');
  if (targetDeadlineMs(target.state, { prepareMs: 1, inquireMs: 1 }) !== undefined)
    give('fair', 'times out', { type: 'timeout' });
  give('bad', 'loses the link', { type: 'peerLost', reason: 'r' });
  give('wish', 'is told to abort', { type: 'abort', reason: 'r' });
  if (options.humans && target.state.phase === 'Undecided' && !source.fenced) {
    const next = accept(stepTarget(target.state, { type: 'resolve', decision: 'run-target' }), 'target', options);
    if (next !== undefined)
      put(
        'wish',
        'is resolved, the source fenced',
        { state: next.next, pending: next.effects },
        {
          source: { ...source, state: undefined, pending: [], inbox: [], fenced: true, qemu: 'gone' },
        },
        'neither',
      );
  }
  return out;
}

function accept<State, Effect>(result: StepResult<State, Effect>, where: string, options: WorldOptions) {
  if (!isDenied(result)) return result;
  options.onDenied(where, result.denied);
  return undefined;
}

function add<M extends { readonly kind: string; readonly epoch: number }>(set: readonly M[], message: M): readonly M[] {
  return set.some((other) => other.kind === message.kind && other.epoch === message.epoch) ? set : [...set, message];
}
