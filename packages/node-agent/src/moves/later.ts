import { describeError, GodwitError, isGodwitError } from '@godwit/core/errors';
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

/** What others may ask of a migration before it is taken up. */
interface Asked {
  abort?: string;
  endGuest?: 'ask' | 'force';
  hear?: 'whole' | 'aborted';
}

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
  let { problem } = of;
  const isUnreadable = (): boolean => isGodwitError(problem, 'JOURNAL_UNREADABLE');
  const why = (): string => {
    const remedy = isUnreadable() ? '; repair its file, or delete the VMI, which ends the guest on this node' : '';
    return `${hindrance}: ${describeError(problem)}${remedy}`;
  };
  let handle: RunningMigration | undefined;
  let closed = false;
  /** The last word of each kind stands: it may be asked the same every second, for as long as it takes. */
  const asked: Asked = {};
  const outcome = Promise.withResolvers<SourceOutcome | TargetOutcome | InPlaceOutcome>();

  let taken: RunningMigration | undefined;
  const takeUp = async (): Promise<RunningMigration> => {
    try {
      taken ??= await options.takeUp();
    } catch (error) {
      problem = error;
      throw error;
    }
    options.onTakenUp(taken);
    return taken;
  };
  const pass = (to: RunningMigration, { abort, endGuest, hear }: Asked): void => {
    if (abort !== undefined) void to.abort(abort).catch(() => undefined);
    if (endGuest !== undefined && to.role === 'target') to.endGuest(endGuest);
    if (hear !== undefined && to.role === 'source') to.hear(hear);
  };
  const ask = (what: Asked): void => void (handle ? pass(handle, what) : Object.assign(asked, what));

  const work = insist(takeUp, {
    hindrance,
    stopped: () => closed,
    hindered: () => options.onStatus(),
    log: options.log,
  }).then(
    (now) => {
      handle = now;
      void now.done.then(outcome.resolve);
      pass(now, asked);
      options.onStatus();
    },
    () => undefined, // closed: the next agent goes on
  );

  const common = {
    identity,
    status: (): SideStatus =>
      handle?.status() ?? {
        phase: 'Recovering',
        undecided: false,
        hindrance: why(),
        ...(isUnreadable() && { unreadable: true }),
      },
    // The cast is safe: who asks knows the role.
    done: outcome.promise as Promise<never>,
    async abort(reason: string) {
      ask({ abort: reason });
      return outcome.promise as Promise<never>;
    },
    async resolve(decision: 'resume-source' | 'run-target') {
      if (handle?.role === 'source' && decision === 'resume-source') return handle.resolve(decision);
      if (handle?.role === 'target' && decision === 'run-target') return handle.resolve(decision);
      throw new GodwitError('MIGRATION_NOT_UNDECIDED', `Migration ${identity.id} needs no decision: ${why()}`);
    },
    async close() {
      closed = true;
      await work;
      await taken?.close();
    },
  };
  switch (role) {
    case 'source': {
      const source: SourceMigration = {
        ...common,
        role,
        hear: (word) => ask({ hear: word }),
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
        endGuest: (how) => ask({ endGuest: how }),
      };
      return target;
    }
    case 'in-place': {
      const inPlace: InPlaceMove = { ...common, role };
      return inPlace;
    }
  }
}
