import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { insist } from '../migration/insist.ts';
import type {
  InPlaceMove,
  InPlaceOutcome,
  MigrationIdentity,
  RunningMigration,
  SideStatus,
  SourceMigration,
  SourceOutcome,
  TargetMigration,
  TargetOutcome,
} from '../migration/types.ts';

type Role = RunningMigration['role'];
type Wish = (handle: RunningMigration) => void;

/**
 * A migration that could not be taken up (its QEMU does not answer, its journal cannot be read): nobody can say how far it is,
 * so that its guest is touched by nothing else of this node. Tried again and again; what is asked of it meanwhile is done then.
 */
export function takeUpLater(
  of: { readonly role: Role; readonly identity: MigrationIdentity; readonly problem: unknown },
  options: {
    readonly takeUp: () => Promise<RunningMigration>;
    readonly onTakenUp: (handle: RunningMigration) => void;
    readonly onStatus: () => void;
    readonly log: Logger;
  },
): RunningMigration {
  const { role, identity } = of;
  const hindrance = 'The migration cannot be taken up';
  let why = `${hindrance}: ${describeError(of.problem)}`;
  let handle: RunningMigration | undefined;
  let closed = false;
  const wishes: Wish[] = [];
  const outcome = Promise.withResolvers<SourceOutcome | TargetOutcome | InPlaceOutcome>();

  const work = insist(options.takeUp, {
    hindrance,
    stopped: () => closed,
    hindered(now) {
      why = now ?? why;
      options.onStatus();
    },
    log: options.log,
  }).then(
    (taken) => {
      handle = taken;
      options.onTakenUp(taken);
      void taken.done.then(outcome.resolve);
      for (const wish of wishes.splice(0)) wish(taken);
      options.onStatus();
    },
    () => undefined, // closed: the next agent goes on
  );
  const ask = (wish: Wish): void => void (handle === undefined ? wishes.push(wish) : wish(handle));

  const common = {
    identity,
    status: (): SideStatus => handle?.status() ?? { phase: 'Recovering', undecided: false, hindrance: why },
    // The cast is safe: who asks knows the role.
    done: outcome.promise as Promise<never>,
    async abort(reason: string) {
      ask((taken) => void taken.abort(reason).catch(() => undefined));
      return outcome.promise as Promise<never>;
    },
    async resolve(decision: 'resume-source' | 'run-target') {
      if (handle?.role === 'source' && decision === 'resume-source') return handle.resolve(decision);
      if (handle?.role === 'target' && decision === 'run-target') return handle.resolve(decision);
      throw new GodwitError('MIGRATION_NOT_UNDECIDED', `Migration ${identity.id} needs no decision: ${why}`);
    },
    async close() {
      closed = true;
      await work;
      await handle?.close();
    },
  };
  switch (role) {
    case 'source': {
      const source: SourceMigration = {
        ...common,
        role,
        hear: (word) => ask((taken) => taken.role === 'source' && taken.hear(word)),
      };
      return source;
    }
    case 'target': {
      const target: TargetMigration = {
        ...common,
        role,
        // A target that is taken up receives nothing any more: nobody has to know where it listens.
        listening: new Promise(() => undefined),
        machine: () => (handle?.role === 'target' ? handle.machine() : undefined),
        endGuest: (how) => ask((taken) => taken.role === 'target' && taken.endGuest(how)),
      };
      return target;
    }
    case 'in-place': {
      const inPlace: InPlaceMove = { ...common, role };
      return inPlace;
    }
  }
}
