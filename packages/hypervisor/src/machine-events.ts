import type { QmpEvent } from '@godwit/qmp';
import { diskOfMirrorJob, parseNodeName } from './disk-nodes.ts';
import { placesOf } from './disk-places.ts';
import type { MachineSpec } from './contract/machine-spec.ts';
import type { MachineEvent } from './contract/machine.ts';

/** What a QMP event means to users of a machine; undefined for those that concern nobody. */
export function machineEventOf(event: QmpEvent, spec: Pick<MachineSpec, 'disks'>): MachineEvent | undefined {
  const { atMs, data } = event;
  switch (event.name) {
    case 'RESUME':
      return { type: 'resumed', atMs };
    case 'STOP':
      return { type: 'stopped', atMs };
    case 'SHUTDOWN':
      return { type: 'shutdown', atMs, guestInitiated: data['guest'] === true };
    case 'RESET':
      return { type: 'reset', atMs, guestInitiated: data['guest'] === true };
    case 'MIGRATION':
      return { type: 'migration', atMs, status: String(data['status']) };
    case 'MIGRATION_PASS':
      return { type: 'memory-pass', atMs, iteration: Number(data['pass']) };
    case 'BLOCK_IO_ERROR': {
      const node = parseNodeName(String(data['node-name']));
      const disk = node && [...placesOf(spec.disks)].find(([, place]) => place.node === node.index)?.[0];
      return disk === undefined ? undefined : { type: 'disk-error', atMs, disk, nospace: data['nospace'] === true };
    }
    case 'BLOCK_JOB_READY':
    case 'BLOCK_JOB_COMPLETED':
    case 'BLOCK_JOB_CANCELLED':
      return jobEvent(event);
    default:
      return undefined;
  }
}

function jobEvent({ name, data, atMs }: QmpEvent): MachineEvent | undefined {
  const id = diskOfMirrorJob(String(data['device']));
  if (id === undefined) return undefined;
  if (name === 'BLOCK_JOB_READY') return { type: 'job', atMs, id, status: 'ready' };
  if (name === 'BLOCK_JOB_CANCELLED') return { type: 'job', atMs, id, status: 'cancelled' };
  const error = data['error'];
  if (typeof error === 'string') return { type: 'job', atMs, id, status: 'error', error };
  return { type: 'job', atMs, id, status: 'completed' };
}
