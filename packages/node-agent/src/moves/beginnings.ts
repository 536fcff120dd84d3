import type { Stored, VirtualMachineInstance } from '@godwit/api';
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
  withCause(migrationUid: string, reason: string): string;
  /** The record is over: nothing is tried any more. */
  over(vmi: Vmi): Promise<void>;
}

export function createBeginnings(client: KubeClient, nodeName: string, clock: Clock): Beginnings {
  const causes = new Map<string, string>();

  return {
    async failed(vmi, role, error) {
      const uid = vmi.status?.migrationState?.migrationUid;
      // These say nothing of the migration: somebody else wrote first, or nothing can be told now.
      if (uid === undefined || isConflict(error) || isUnreachable(error)) return;
      const cause = describeError(error);
      causes.set(uid, cause);
      const message = `Node ${nodeName} cannot begin the migration, and tries again: ${cause}`;
      await changeRecord(client, vmi, (current) => {
        const state = current.status?.migrationState;
        const open = state?.migrationUid === uid && state.completed !== true && state.failed !== true;
        return open ? hindered(current, role, message, clock.now()) : undefined;
      });
    },
    withCause(migrationUid, reason) {
      const cause = causes.get(migrationUid);
      return cause === undefined ? reason : `${reason}; node ${nodeName} could not begin it: ${cause}`;
    },
    async over(vmi) {
      const { migrationUid = '', sourceNode, targetNode } = vmi.status?.migrationState ?? {};
      causes.delete(migrationUid);
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
