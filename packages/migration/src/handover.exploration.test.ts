import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canReach, explore, restrict, type Reached } from './testing/explore.ts';
import {
  initialWorld,
  moves,
  needsBoth,
  sourceExecutes,
  targetExecutes,
  targetHolds,
  type World,
} from './testing/world.ts';

const denials = new Set<string>();
const onDenied = (side: string, text: string) => denials.add(`${side}: ${text}`);
const withHumans = explore(initialWorld(), { epochs: 1, humans: true, onDenied });
const machine = restrict(withHumans, (edge) => !edge.human);

function violations(reached: Reached, broken: (world: World, index: number) => boolean): string[] {
  return reached.worlds.flatMap((world, at) => (broken(world, at) ? [reached.path(at)] : [])).slice(0, 3);
}

const settled = ({ source, target }: World): boolean => {
  const sourceEnd =
    source.fenced ||
    source.state?.phase === 'Done' ||
    ((source.state?.phase === 'Resumed' || source.state?.phase === 'Lost') && source.state.settled);
  const { state } = target;
  const partial = state !== undefined && 'postCopy' in state && ['partial', 'torn'].includes(state.postCopy ?? '');
  const targetEnd =
    target.fenced || state?.phase === 'Lost' || state?.phase === 'Aborted' || (state?.phase === 'Running' && !partial);
  return sourceEnd && targetEnd && source.pending.length + target.pending.length === 0;
};
const committed = ({ target }: World): boolean => target.record?.record === 'commit';
const twoRunners = (world: World): boolean => sourceExecutes(world) && targetExecutes(world);
/** The target is about to end its QEMU: joining has failed too often. */
const givenUp = ({ target }: World): boolean => target.pending.some((effect) => effect.do === 'end');
/** QEMU has begun post-copy, and not been asked for its guest back. */
const inPostCopy = ({ source }: World): boolean => source.qemu === 'split' || source.qemu === 'torn';

describe('every world that crashes, losses, delays and duplicates can lead to', () => {
  it('is explored in full', () => {
    expect(machine.worlds.length).toBeGreaterThan(30_000);
    expect(withHumans.worlds.length).toBeGreaterThan(machine.worlds.length);
    for (const phase of ['Resumed', 'Lost', 'Done', 'Undecided', 'Serving'])
      expect(machine.worlds.some((world) => world.source.state?.phase === phase)).toBe(true);
    for (const phase of ['Running', 'Lost', 'Aborted', 'Undecided'])
      expect(machine.worlds.some((world) => world.target.state?.phase === phase)).toBe(true);
  });

  it('never has two runners', () => {
    expect(violations(machine, twoRunners)).toEqual([]);
    expect(violations(withHumans, twoRunners)).toEqual([]);
  });

  it('never runs the source after the commit is recorded', () => {
    expect(violations(machine, (world) => committed(world) && sourceExecutes(world))).toEqual([]);
    // A human who fences the target overrides even a commit: the fenced side is gone with whatever it recorded.
    const unfenced = (world: World) => !world.target.fenced && committed(world) && sourceExecutes(world);
    expect(violations(withHumans, unfenced)).toEqual([]);
  });

  it('never runs the target before the commit is recorded, nor after it recorded aborted', () => {
    for (const reached of [machine, withHumans])
      expect(violations(reached, (world) => targetExecutes(world) && !committed(world))).toEqual([]);
  });

  it('never ends the source QEMU before the commit is recorded', () => {
    expect(violations(machine, (world) => world.source.qemu === 'released' && !committed(world))).toEqual([]);
  });

  it('lets the source run again by itself, with the target never heard of again, until handing over is recorded', () => {
    const record = (world: World) => world.source.record?.record;
    const undecided = (world: World) =>
      world.source.qemu !== 'gone' &&
      world.source.qemu !== 'released' &&
      !['handing-over', 'serving', 'done'].includes(record(world) ?? '');
    // By post-copy the other side's QEMU must end first; what becomes of the guest then is looked at below.
    const alone = (world: World) => undecided(world) && !inPostCopy(world) && !targetHolds(world);
    // Both conditions have been met, only the record is missing.
    const recording = ({ source: { state, inbox } }: World) =>
      state?.phase === 'Recording' ||
      (state?.phase === 'SwitchingOver' && state.ready && inbox.some((event) => event.type === 'sent'));
    const returns = canReach(machine, sourceExecutes, (edge) => edge.kind === 'fair' && edge.alone === 'source');
    expect(violations(machine, (world, at) => returns[at] === false && alone(world) && !recording(world))).toEqual([]);
    // While it is being written, a failed write or a crash before it still leads back.
    const failing = canReach(machine, sourceExecutes, (edge) => edge.alone === 'source');
    expect(violations(machine, (world, at) => failing[at] === false && alone(world))).toEqual([]);
  });

  it('lets go of the disks at the target by itself, with the source never heard of again, until the commit', () => {
    const committing = ({ target }: World) =>
      target.pending.some((effect) => effect.do === 'journal' && effect.record === 'commit');
    const letsGo = canReach(
      machine,
      (world) => !targetHolds(world),
      (edge) => edge.kind === 'fair' && edge.alone === 'target',
    );
    const holds = (world: World) => targetHolds(world) && !committed(world) && !committing(world);
    expect(machine.worlds.some(holds)).toBe(true);
    expect(violations(machine, (world, at) => holds(world) && letsGo[at] === false)).toEqual([]);
  });

  it('keeps the QEMU that has the rest of the memory until the target has all of it, or has ended', () => {
    for (const reached of [machine, withHumans])
      expect(violations(reached, (world) => needsBoth(world) && world.source.qemu === 'released')).toEqual([]);
  });

  it('never calls a migration done, or a target running for good, while memory is missing', () => {
    const broken = (world: World) => needsBoth(world) && world.source.record?.record === 'done';
    for (const reached of [machine, withHumans]) {
      expect(violations(reached, broken)).toEqual([]);
      expect(violations(reached, (world) => settled(world) && needsBoth(world) && !world.target.fenced)).toEqual([]);
    }
  });

  it('brings a guest in post-copy to an end that it survives, unless the stream breaks or a side dies', () => {
    const survives = (world: World) => sourceExecutes(world) || world.target.qemu === 'running';
    const lives = canReach(machine, survives, (edge) => edge.kind === 'fair');
    const intact = (world: World) => needsBoth(world) && !world.cut && world.source.qemu === 'split';
    expect(machine.worlds.some(intact)).toBe(true);
    expect(violations(machine, (world, at) => intact(world) && !givenUp(world) && lives[at] === false)).toEqual([]);
  });

  it('joins both sides again when the stream breaks after the commit, unless a QEMU is gone', () => {
    const lives = canReach(
      machine,
      (world) => world.target.qemu === 'running',
      (edge) => edge.kind === 'fair',
    );
    const broken = (world: World) =>
      world.cut && committed(world) && needsBoth(world) && ['split', 'torn'].includes(world.source.qemu);
    expect(machine.worlds.some(broken)).toBe(true);
    expect(violations(machine, (world, at) => broken(world) && !givenUp(world) && lives[at] === false)).toEqual([]);
  });

  it('lets the source run again as long as the target has not recorded the commit, broken streams or not', () => {
    const runs = canReach(machine, sourceExecutes, () => true);
    const broken = (world: World, at: number) =>
      runs[at] === false && !committed(world) && world.source.qemu !== 'gone';
    expect(violations(machine, broken)).toEqual([]);
  });

  it('has an exit: with nothing bad happening any more, both sides end, and agree', () => {
    for (const reached of [machine, withHumans]) {
      const ends = canReach(reached, settled, (edge) => edge.kind === 'fair');
      const fencedWithoutDecision = (world: World) => world.source.fenced || world.target.fenced;
      expect(violations(reached, (world, at) => ends[at] === false && !fencedWithoutDecision(world))).toEqual([]);
    }
  });

  it('ends with the guest running on exactly one side unless a QEMU died', () => {
    const broken = (world: World) =>
      settled(world) &&
      world.source.qemu !== 'gone' &&
      !(committed(world) && world.target.qemu === 'gone') &&
      sourceExecutes(world) === targetExecutes(world);
    // `Resumed` is entered only when the guest was seen running, `Running` likewise.
    expect(violations(machine, broken)).toEqual([]);
  });

  it('never asks a machine something it calls meaningless', () => {
    expect([...denials]).toEqual([]);
  });
});

describe('a second attempt with messages of the first still under way', () => {
  it('keeps the invariants on random walks', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 40, maxLength: 160 }), (choices) => {
        let world = initialWorld();
        for (const choice of choices) {
          const possible = moves(world, { epochs: 3, humans: false, onDenied: () => undefined }).filter(
            // Deaths end most walks early: take them only now and then.
            (move) => move.kind !== 'bad' || choice % 5 === 0,
          );
          const move = possible[choice % Math.max(1, possible.length)];
          if (move === undefined) break;
          world = move.world;
          expect(twoRunners(world)).toBe(false);
          expect(committed(world) && sourceExecutes(world)).toBe(false);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
