import { keyOf, keyString } from '@godwit/api';
import type { ObjectKey, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import { isConflict, isUnreachable } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import { hindered, isHindered } from './outcome.ts';
import { changeRecord } from './telling.ts';

type Vmi = Stored<VirtualMachineInstance>;
type Role = 'source' | 'target' | 'in-place';

/** What keeps this node from beginning its part of a migration: told in the VMI while it is tried again, and in the end's reason. */
export interface Beginnings {
  /** An attempt failed, for a cause that may pass. */
  failed(vmi: Vmi, role: Role, error: unknown): Promise<void>;
  /** The reason with which a migration is closed that never began here. */
  withCause(vmi: Vmi, reason: string): string;
  /** The record is over: nothing is tried any more. */
  over(vmi: Vmi): Promise<void>;
  /** There is no VMI of that name. */
  gone(vmi: ObjectKey): void;
}

export function createBeginnings(client: KubeClient, nodeName: string, clock: Clock): Beginnings {
  /** By VMI: that of the migration in its record, or of the one before. */
  const causes = new Map<string, { readonly migrationUid: string; readonly cause: string }>();

  return {
    async failed(vmi, role, error) {
      const uid = vmi.status?.migrationState?.migrationUid;
      // These say nothing of the migration: somebody else wrote first, or nothing can be told now.
      if (uid === undefined || isConflict(error) || isUnreachable(error)) return;
      const cause = describeError(error);
      causes.set(keyString(keyOf(vmi)), { migrationUid: uid, cause });
      const message = `Node ${nodeName} cannot begin the migration, and tries again: ${cause}`;
      await changeRecord(client, vmi, (current) => {
        const state = current.status?.migrationState;
        const open = state?.migrationUid === uid && state.completed !== true && state.failed !== true;
        return open ? hindered(current, role, message, clock.now()) : undefined;
      });
    },
    withCause(vmi, reason) {
      const known = causes.get(keyString(keyOf(vmi)));
      if (known === undefined || known.migrationUid !== vmi.status?.migrationState?.migrationUid) return reason;
      return `${reason}; node ${nodeName} could not begin it: ${known.cause}`;
    },
    gone: (key) => void causes.delete(keyString(key)),
    async over(vmi) {
      const { sourceNode, targetNode } = vmi.status?.migrationState ?? {};
      causes.delete(keyString(keyOf(vmi)));
      for (const [role, node] of [
        ['source', sourceNode],
        ['target', targetNode],
      ] as const) {
        if (node !== nodeName || !isHindered(vmi, role)) continue;
        await changeRecord(client, vmi, (current) => hindered(current, role, undefined, clock.now()));
      }
    },
  };
}
