import { withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance } from '@godwit/api';
import { cancelledReason } from '../volume-migration/decide.ts';
import type { VolumeUpdate } from '../volume-migration/types.ts';

type Instance = Stored<VirtualMachineInstance>;

function withConditions(vmi: Instance, change: (conditions: readonly Condition[]) => readonly Condition[]): Instance {
  return { ...vmi, status: { ...vmi.status, conditions: [...change(vmi.status?.conditions ?? [])] } };
}

const CANCELLED: Condition = {
  type: 'VolumesChange',
  status: 'False',
  reason: cancelledReason,
  message: 'The volumes were set back to the previous set',
};

/** The VMI after each write that a volume update asks for, in order: admission and clients rely on the order. */
export function instanceSteps(vmi: Instance, update: VolumeUpdate, nowMs: number): Instance[] {
  switch (update.do) {
    case 'nothing':
    case 'refuse':
      return [];
    case 'drop-stale-condition':
      return [withConditions(vmi, (conditions) => withoutCondition(conditions, 'VolumesChange'))];
    case 'require-restart':
    case 'hold': {
      const held: Condition = {
        type: 'VolumesChange',
        status: 'False',
        reason: update.reason,
        message: update.message,
      };
      return [withConditions(vmi, (conditions) => withCondition(conditions, held, nowMs))];
    }
    case 'announce': {
      const clean = withConditions(vmi, (conditions) => withoutCondition(conditions, 'VolumesChange'));
      return [{ ...clean, status: { ...clean.status, migratedVolumes: [...update.volumes] } }];
    }
    case 'repoint':
      return [{ ...vmi, spec: { ...vmi.spec, volumes: [...update.volumes] } }];
    case 'stop-migrations':
      return [withConditions(vmi, (conditions) => withCondition(conditions, CANCELLED, nowMs))];
    case 'revert': {
      const first: Instance = { ...vmi, spec: { ...vmi.spec, volumes: [...update.volumes] } };
      const second = withConditions(first, (conditions) => withCondition(conditions, CANCELLED, nowMs));
      const { migratedVolumes: _forgotten, ...status } = second.status ?? {};
      // The volumes of the VMI say now what this list has said.
      if (status.migrationState) {
        const { movedVolumes: _settled, ...migrationState } = status.migrationState;
        status.migrationState = migrationState;
      }
      return [first, { ...second, status }];
    }
  }
}
