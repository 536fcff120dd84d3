import type { SourceMessage, TargetMessage } from '../messages.ts';
import { recoverSourceHandover, sourceDeadlineMs, startSourceHandover, stepSource } from '../source-handover.ts';
import {
  ASK_LIMIT,
  type SourceEffect,
  type SourceEvent,
  type SourceRecord,
  type SourceState,
} from '../source-states.ts';
import { isDenied, type StepResult } from '../step.ts';
import {
  recoverTargetHandover,
  stepTarget,
  targetDeadlineMs,
  targetWaiting,
  type FoundGuest,
} from '../target-handover.ts';
import {
  REJOIN_LIMIT,
  type Arrival,
  type TargetEffect,
  type TargetEvent,
  type TargetRecord,
  type TargetState,
} from '../target-states.ts';

/**
 * A world in which both machines, their agents, their QEMUs and the network may do anything they can do in reality.
 * The network is a set of messages that are never taken out: each may arrive never (lost), late, in any order and again.
 * Journals survive a crash; states, effects not yet carried out and events not yet handled do not.
 */
export interface World {
  readonly source: Side<SourceState, SourceEffect, SourceEvent, SourceRecord> & { readonly qemu: SourceQemu };
  readonly target: Side<TargetState, TargetEffect, TargetEvent, TargetRecord> & {
    readonly qemu: TargetQemu;
    /** QEMU has been told to run the guest, and has not answered yet. */
    readonly resuming: boolean;
  };
  readonly toTarget: readonly SourceMessage[];
  readonly toSource: readonly TargetMessage[];
  /** The stream of memory broke: a QEMU that still needs it cannot go on. */
  readonly cut: boolean;
}

interface Side<State, Effect, Event, Record> {
  /** undefined: the agent is down. */
  readonly state: State | undefined;
  readonly pending: readonly Effect[];
  readonly inbox: readonly Event[];
  readonly record:
    | {
        readonly record: Record;
        readonly epoch: number;
        readonly settled: boolean;
        readonly split?: boolean;
        readonly postCopy?: Arrival;
      }
    | undefined;
  /** The attempt QEMU works for. */
  readonly epoch: number;
  /** Fenced by a human: this side never comes back. */
  readonly fenced: boolean;
}

/**
 * copying: runs with jobs; paused: pre-switchover; sent: postmigrate; released: ended because the target has the guest.
 * Post-copy: split: sends memory behind the guest; torn: waits to be joined.
 */
type SourceQemu = 'running' | 'copying' | 'paused' | 'sent' | 'split' | 'torn' | 'gone' | 'released';
/** Post-copy: listening: paused, memory still comes; joined: it has come, and the disks are held; partial: runs meanwhile. */
type TargetQemu = 'none' | 'incoming' | 'loaded' | 'listening' | 'joined' | 'running' | 'partial' | 'gone';

export interface Move {
  readonly name: string;
  /** fair: happens in the end if nothing bad happens; bad: failures; wish: a user's or a human's decision. */
  readonly kind: 'fair' | 'bad' | 'wish';
  /** Which side does it without hearing from the other. */
  readonly alone: 'source' | 'target' | 'neither';
  /** A human fenced one side and resolved on the other. */
  readonly human: boolean;
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
    target: { ...side, state: targetWaiting, pending: [], qemu: 'none', resuming: false },
    toTarget: [],
    toSource: [],
    cut: false,
  };
}

export const sourceExecutes = (world: World): boolean =>
  world.source.qemu === 'running' || world.source.qemu === 'copying';
export const targetExecutes = (world: World): boolean =>
  world.target.qemu === 'running' || world.target.qemu === 'partial';
/**
 * By post-copy QEMU holds the disks before the commit, so that the source's cannot take its guest back meanwhile. That it
 * could not either once the guest runs on the target is not relied upon.
 */
export const targetHolds = ({ target: { qemu } }: World): boolean => qemu === 'listening' || qemu === 'joined';
/** The guest needs both QEMUs. */
export const needsBoth = ({ target: { qemu } }: World): boolean => qemu === 'listening' || qemu === 'partial';
const streams = ({ source, target, cut }: World): boolean =>
  !cut &&
  source.qemu === 'split' &&
  source.epoch === target.epoch &&
  ['incoming', 'listening', 'partial'].includes(target.qemu);

/** Everything that may happen next. */
export function moves(world: World, options: WorldOptions): Move[] {
  return [...sourceMoves(world, options), ...targetMoves(world, options)];
}

/**
 * Equal worlds have equal texts: messages as sets, reasons left out, and messages too that change nothing any more, because
 * whoever hears them is at its end. Most moves leave most parts as they were.
 */
export function encode(world: World): string {
  const { source, target, toTarget, toSource, cut } = world;
  const heardBySource = source.record?.record === 'done' || source.record?.settled === true;
  // It gives every message the same answer, and the first of them was always sent.
  const heardByTarget =
    target.state?.phase === 'Aborted' ||
    target.state?.phase === 'Lost' ||
    (target.state?.phase === 'Running' && !['partial', 'torn'].includes(target.state.postCopy ?? ''));
  return [part(source), part(target), heardByTarget || part(toTarget), heardBySource || part(toSource), cut].join();
}

const parts = new WeakMap<object, number>();
const texts = new Map<string, number>();

/** Equal parts have equal numbers. */
function part(value: World['source' | 'target' | 'toTarget' | 'toSource']): number {
  let number = parts.get(value);
  if (number !== undefined) return number;
  const text = 'qemu' in value ? sideText(value) : messagesText(value);
  number = texts.get(text) ?? texts.size;
  texts.set(text, number);
  parts.set(value, number);
  return number;
}

function sideText(side: World['source'] | World['target']): string {
  return JSON.stringify(side, (name, value: unknown) =>
    name === 'reason' || (name === 'abort' && value !== undefined) ? 'r' : value,
  );
}

function messagesText(messages: readonly { kind: string; epoch: number }[]): string {
  return messages
    .map(({ kind, epoch }) => `${kind}${epoch}`)
    .toSorted()
    .join();
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
    out.push({
      kind,
      name: `source ${name}`,
      alone,
      human: name.startsWith('is resolved'),
      world: { ...world, ...rest, source: { ...source, ...change } },
    });
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
    if (target.epoch === source.epoch && target.qemu === 'incoming')
      put('fair', 'QEMU begins post-copy', { qemu: 'split', ...hear({ type: 'sent', split: true }) }, {}, 'neither');
  }
  if (streams(world)) put('bad', 'stream breaks', {}, { cut: true }, 'neither');
  if (quiet && source.qemu === 'split' && !streams(world))
    put('fair', 'QEMU finds the stream broken', {
      qemu: 'torn',
      // Nobody looks any more once it has begun.
      ...(source.state?.phase === 'SwitchingOver' && hear({ type: 'copyFailed', reason: 'r' })),
    });

  // The agent.
  if (source.state === undefined) {
    const guest = sourceExecutes(world)
      ? 'running'
      : source.qemu === 'gone' || source.qemu === 'released'
        ? 'gone'
        : 'paused';
    const next = source.record === undefined ? startSourceHandover(1) : recoverSourceHandover(source.record, guest);
    put('fair', 'agent restarts', { state: manyAsks(next.next), pending: next.effects });
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
        const settled = effect.settled ?? false;
        const entry = { record, epoch, settled, ...(effect.split && { split: true }) };
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
        else if (source.qemu === 'torn') {
          put('fair', 'takes a torn guest back', { qemu: 'sent' });
          put('bad', 'ends a QEMU that does not let go', { ...done, qemu: 'gone', ...hear({ type: 'sourceGone' }) });
        } else if (source.qemu === 'split') put('fair', 'cancels post-copy', { qemu: 'sent' }, { cut: true });
        else if (!targetHolds(world))
          put('fair', 'restores the guest', { ...done, qemu: 'running', ...hear({ type: 'sourceRunning' }) });
        break;
      case 'rejoin':
        if ((source.qemu === 'torn' || source.qemu === 'split') && needsBoth(world) && world.cut) {
          put('fair', 'joins again', { ...done, qemu: 'split' }, { cut: false });
          put('bad', 'cannot join', done);
        } else put('fair', 'has nothing to join', done);
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
    if (next !== undefined) put(kind, name, { ...rest, state: manyAsks(next.next), pending: next.effects }, {}, alone);
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
  const unheard = source.state.phase === 'Serving' && source.state.asks === ASK_LIMIT;
  if (options.humans && (source.state.phase === 'Undecided' || unheard) && !target.fenced) {
    const next = accept(stepSource(source.state, { type: 'resolve', decision: 'resume-source' }), 'source', options);
    if (next !== undefined)
      put(
        'wish',
        'is resolved, the target fenced',
        { state: next.next, pending: next.effects },
        {
          target: { ...target, state: undefined, pending: [], inbox: [], fenced: true, qemu: 'gone', resuming: false },
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
    out.push({
      kind,
      name: `target ${name}`,
      alone,
      human: name.startsWith('is resolved'),
      world: { ...world, ...rest, target: { ...target, ...change } },
    });
  if (target.fenced) return out;
  const hear = (event: TargetEvent) => (target.state !== undefined ? { inbox: [...target.inbox, event] } : {});
  const quiet = target.inbox.length < 2;

  if (quiet && target.qemu !== 'none' && target.qemu !== 'gone')
    put('bad', 'QEMU dies', { qemu: 'gone', ...hear({ type: 'gone' }) });
  if (quiet && target.qemu === 'incoming' && source.qemu === 'paused' && source.epoch === target.epoch)
    put('fair', 'QEMU has loaded all', { qemu: 'loaded', ...hear({ type: 'loaded' }) }, {}, 'neither');
  if (quiet && streams(world)) {
    if (target.qemu === 'incoming')
      put('fair', 'QEMU can do without the rest', { qemu: 'listening', ...hear({ type: 'listening' }) }, {}, 'neither');
    else
      put(
        'fair',
        'QEMU has all memory',
        { qemu: target.qemu === 'partial' ? 'running' : 'joined', ...hear({ type: 'loaded' }) },
        { source: { ...source, qemu: 'sent' } },
        'neither',
      );
  }
  const torn = needsBoth(world) && !streams(world);
  const arrival = target.state !== undefined && 'postCopy' in target.state ? target.state.postCopy : undefined;
  const hears = arrival === 'partial';
  if (quiet && arrival === 'torn' && streams(world) && !target.inbox.some(({ type }) => type === 'rejoined'))
    put('fair', 'QEMU gets memory again', hear({ type: 'rejoined' }));
  if (quiet && torn && hears && !target.inbox.some(({ type }) => type === 'torn'))
    put('fair', 'QEMU finds the stream broken', hear({ type: 'torn', reason: 'r' }));
  if (target.qemu === 'incoming' && world.cut && source.epoch === target.epoch && quiet)
    put('fair', 'QEMU gives up', { qemu: 'gone', ...hear({ type: 'gone' }) });
  if (target.state === undefined) {
    const next = recoverTargetHandover(target.record, found(world, torn));
    put('fair', 'agent restarts', { state: manyTries(next.next), pending: next.effects });
    return out;
  }
  if (quiet && target.resuming) {
    const heard = { resuming: false, ...hear({ type: 'running' }) };
    if (target.qemu === 'loaded' || target.qemu === 'joined') put('fair', 'runs', { ...heard, qemu: 'running' });
    // To begin to run, QEMU itself may need memory that has not come.
    else if (target.qemu === 'listening') put(streams(world) ? 'fair' : 'bad', 'runs', { ...heard, qemu: 'partial' });
    else put('fair', 'cannot run', { resuming: false, ...hear({ type: 'gone' }) });
  }
  put('bad', 'agent dies', { state: undefined, pending: [], inbox: [], resuming: false });
  const [effect, ...later] = target.pending;
  if (effect !== undefined) {
    const done = { pending: later };
    switch (effect.do) {
      case 'send':
        put('fair', `sends ${effect.message.kind}`, done, { toSource: add(world.toSource, effect.message) });
        break;
      case 'journal': {
        const { record, epoch, postCopy } = effect;
        const entry = { record, epoch, settled: false, ...(postCopy !== undefined && { postCopy }) };
        put('fair', `records ${record}`, { ...done, record: entry });
        break;
      }
      case 'prepare': {
        const epoch = 'epoch' in target.state ? target.state.epoch : 0;
        put('fair', 'starts QEMU', { ...done, qemu: 'incoming', epoch, ...hear({ type: 'prepared' }) });
        put('bad', 'cannot prepare', { ...done, ...hear({ type: 'prepareFailed', reason: 'r' }) });
        break;
      }
      case 'resume':
        put('fair', 'tells QEMU to run', { ...done, resuming: true });
        break;
      case 'rejoin':
        put('fair', 'waits to be joined', done);
        break;
      case 'end':
        put('fair', 'ends QEMU', { ...done, qemu: target.qemu === 'none' ? 'none' : 'gone', resuming: false });
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
    if (next !== undefined) put(kind, name, { ...rest, state: manyTries(next.next), pending: next.effects }, {}, alone);
    else if (rest.inbox !== undefined) put(kind, name, rest, {}, alone);
  };
  const [event, ...events] = target.inbox;
  if (event !== undefined) {
    give('fair', `handles ${event.type}`, event, { inbox: events });
    return out;
  }
  for (const message of world.toTarget)
    give('fair', `hears ${message.kind}`, { type: 'message', message }, {}, 'neither');
  if (targetDeadlineMs(target.state, { prepareMs: 1, inquireMs: 1, rejoinMs: 1 }) !== undefined)
    give('fair', 'times out', { type: 'timeout' });
  give('bad', 'loses the link', { type: 'peerLost', reason: 'r' });
  give('wish', 'is told to abort', { type: 'abort', reason: 'r' });
  give('wish', 'is told to end the guest', { type: 'endGuest', reason: 'r' });
  const whole = target.state.phase === 'Undecided' && (arrival === undefined || arrival === 'whole');
  if (options.humans && whole && !source.fenced) {
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

/** What a look at the target's QEMU tells. */
function found({ target: { qemu } }: World, torn: boolean): FoundGuest {
  switch (qemu) {
    case 'listening':
    case 'partial':
      return { guest: qemu === 'partial' ? 'running' : 'loaded', postCopy: torn ? 'torn' : 'partial' };
    case 'joined':
      return { guest: 'loaded', postCopy: 'whole' };
    case 'running':
      // It cannot be told any more how memory came; the source understands both.
      return { guest: 'running', postCopy: 'whole' };
    case 'none':
    case 'incoming':
    case 'loaded':
    case 'gone':
      return { guest: qemu };
  }
}

/** Nobody counts questions but for their limit: let there always be one to go. */
function manyAsks(state: SourceState): SourceState {
  return 'asks' in state ? { ...state, asks: Math.max(state.asks, ASK_LIMIT - 1) } : state;
}

function manyTries(state: TargetState): TargetState {
  return (state.phase === 'Committed' || state.phase === 'Running') && state.postCopy === 'torn'
    ? { ...state, tries: REJOIN_LIMIT - 1 }
    : state;
}

function accept<State, Effect>(result: StepResult<State, Effect>, where: string, options: WorldOptions) {
  if (!isDenied(result)) return result;
  options.onDenied(where, result.denied);
  return undefined;
}

function add<M extends { readonly kind: string; readonly epoch: number }>(set: readonly M[], message: M): readonly M[] {
  return set.some((other) => other.kind === message.kind && other.epoch === message.epoch) ? set : [...set, message];
}
