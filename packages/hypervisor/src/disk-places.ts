import { hypervisorError } from './errors.ts';
import type { DiskPlace, DiskSpec, MachineSpec } from './contract/machine-spec.ts';

/*
 * Both ends of a migration must agree on where each device is, and node names must not be used twice. As long as a
 * machine has the disks that it was started with, their order says it; from the first one that comes or goes on it is
 * written down.
 */

/** KubeVirt's default, and the only bus here that disks can join while the guest runs. */
const HOT_BUS = 'scsi';
const SCSI_UNITS = 256;

/** Where each disk is, by name. */
export function placesOf(disks: readonly DiskSpec[]): ReadonlyMap<string, DiskPlace> {
  const used: Record<string, number> = {};
  return new Map(
    disks.map((disk, node) => {
      const unit = used[disk.bus] ?? 0;
      used[disk.bus] = unit + 1;
      return [disk.name, disk.place ?? { node, unit }];
    }),
  );
}

/** Whether disks can be attached and detached while the guest runs. */
export function takesDisks(spec: Pick<MachineSpec, 'hotplug' | 'disks'>): boolean {
  return spec.hotplug === true || spec.disks.some(({ bus }) => bus === HOT_BUS);
}

/** The same machine with everything written down that the order of its disks says. */
function pinned(spec: MachineSpec): MachineSpec {
  const places = placesOf(spec.disks);
  const disks = spec.disks.map((disk) => ({ ...disk, place: places.get(disk.name)! })); // the map has every disk
  return { ...spec, disks, ...(takesDisks(spec) ? { hotplug: true } : {}) };
}

function lowestFree(taken: readonly number[]): number {
  const known = new Set(taken);
  let free = 0;
  while (known.has(free)) free += 1;
  return free;
}

/** The machine with one more disk, at a place that nothing has. Throws `HYPERVISOR_SPEC_UNSUPPORTED`. */
export function withDisk(spec: MachineSpec, disk: DiskSpec): MachineSpec {
  const refuse = (why: string): Error =>
    hypervisorError('HYPERVISOR_SPEC_UNSUPPORTED', `Disk ${disk.name} cannot join ${spec.name} while it runs: ${why}`);
  if (disk.bus !== HOT_BUS || disk.device !== 'disk') throw refuse(`only disks on bus ${HOT_BUS} can`);
  if (!takesDisks(spec)) throw refuse('it was started without a controller for such disks');
  const { disks, ...rest } = pinned(spec);
  const places = disks.flatMap(({ bus, place }) => (place ? [{ bus, ...place }] : []));
  const unit = lowestFree(places.filter(({ bus }) => bus === disk.bus).map((place) => place.unit));
  if (unit >= SCSI_UNITS) throw refuse(`all ${SCSI_UNITS} places are taken`);
  const node = lowestFree(places.map((place) => place.node));
  return { ...rest, disks: [...disks, { ...disk, place: { node, unit } }] };
}

/** The machine without that disk; everything else stays where it is. Throws as `withDisk`. */
export function withoutDisk(spec: MachineSpec, name: string): MachineSpec {
  const { disks, ...rest } = pinned(spec);
  const disk = disks.find((one) => one.name === name);
  if (disk && disk.bus !== HOT_BUS)
    throw hypervisorError(
      'HYPERVISOR_SPEC_UNSUPPORTED',
      `Disk ${name} cannot leave ${spec.name} while it runs: only disks on bus ${HOT_BUS} can, it is on ${disk.bus}`,
    );
  return { ...rest, disks: disks.filter((one) => one.name !== name) };
}
