import type { Disk, VirtualMachineInstance, Volume } from '@godwit/api';
import { expect, it } from 'vitest';
import { volumeProblems } from './hotplugged-volumes.ts';

const hot = (name: string, claimName = name): Volume => ({
  name,
  persistentVolumeClaim: { claimName, hotpluggable: true },
});
const fixed = (name: string): Volume => ({ name, persistentVolumeClaim: { claimName: name } });
const scsi = (name: string): Disk => ({ name, disk: { bus: 'scsi' } });

function vmi(volumes: Volume[], disks: Disk[], status: VirtualMachineInstance['status'] = {}): VirtualMachineInstance {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm' },
    spec: { domain: { devices: { disks } }, volumes },
    status,
  };
}

const alone = vmi([fixed('root')], [scsi('root')]);
const both = vmi([fixed('root'), hot('data')], [scsi('root'), scsi('data')]);
const leaving = { volumeStatus: [{ name: 'data', hotplugVolume: {} }] };

it.each<[string, VirtualMachineInstance, VirtualMachineInstance, string | undefined]>([
  ['nothing', both, both, undefined],
  ['one that comes', both, alone, undefined],
  ['one that goes', alone, both, undefined],
  ['another claim: not judged here', vmi([fixed('root'), hot('data', 'x')], []), both, undefined],
  ['a permanent one that comes', vmi([fixed('root'), fixed('data')], [scsi('data')]), alone, 'permanent volumes'],
  ['a permanent one that goes', vmi([], []), alone, 'permanent volumes'],
  ['one without a disk', vmi([fixed('root'), hot('data')], [scsi('root')]), alone, 'needs a disk'],
  ['one on another bus', vmi([fixed('root'), hot('data')], [{ name: 'data', disk: { bus: 'sata' } }]), alone, 'sata'],
  [
    'one that cannot go',
    alone,
    vmi([fixed('root'), hot('data')], [{ name: 'data', disk: { bus: 'virtio' } }]),
    'virtio',
  ],
  ['one of a claim that is there', vmi([fixed('root'), hot('data', 'root')], [scsi('data')]), alone, 'volume root'],
  ['one that is not gone yet', both, { ...alone, status: leaving }, 'still losing'],
  ['one, during a migration', both, { ...alone, status: { migrationState: { migrationUid: 'm' } } }, 'moved'],
  ['one, while others move', alone, { ...both, status: { migratedVolumes: [{ volumeName: 'root' }] } }, 'moved'],
  [
    'one, after a migration',
    both,
    { ...alone, status: { migrationState: { migrationUid: 'm', completed: true } } },
    undefined,
  ],
])('what changes among the volumes of a VMI: %s', (_, now, before, wanted) => {
  const problems = volumeProblems(now, before);
  if (wanted === undefined) expect(problems).toEqual([]);
  else expect(problems[0]?.message).toContain(wanted);
});
