import { isHotpluggable, leavingVolumes, normalDisk, notHotpluggable, withVolume, withoutVolume } from '@godwit/api';
import type { Disk, Stored, VirtualMachineInstance, VirtualMachineInstanceSpec, Volume } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { claimOf, claimsOf, isUnderway } from '../virt/facts.ts';
import { startedFrom, startedFromAnnotation } from './restart-required.ts';
import type { SeenMachine } from './seen.ts';

type Instance = Stored<VirtualMachineInstance>;
type Spec = VirtualMachineInstanceSpec;

interface Pluggable {
  readonly volume: Volume;
  readonly disk: Disk;
}

/** What the template asks of the running guest that takes no restart. */
export interface Plugs {
  readonly add: readonly Pluggable[];
  readonly remove: readonly string[];
}

export const noPlugs: Plugs = { add: [], remove: [] };

function pluggableOf(spec: Spec, name: string): Pluggable | undefined {
  const volume = spec.volumes?.find((one) => one.name === name);
  if (!volume || !isHotpluggable(volume)) return undefined;
  const disk = normalDisk(spec.domain.devices.disks?.find((one) => one.name === name) ?? { name });
  return notHotpluggable(disk) === undefined ? { volume, disk } : undefined;
}

/** The disk is the same, and so is the volume but for a claim that strategy Migration moves. */
function isSame(before: Pluggable, after: Pluggable, migrates: boolean): boolean {
  if (!jsonEqual(before.disk, after.disk)) return false;
  return migrates || jsonEqual(before.volume, after.volume);
}

/**
 * Volumes that the template has got or lost since `before`, of those that can come and go. A volume that is another one now
 * goes first and comes again.
 */
function plugsBetween(before: Spec, wanted: Spec, running: Spec, migrates: boolean): Plugs {
  const add: Pluggable[] = [];
  const remove: string[] = [];
  for (const { name } of wanted.volumes ?? []) {
    const after = pluggableOf(wanted, name);
    if (after && !before.volumes?.some((volume) => volume.name === name)) add.push(after);
  }
  for (const { name } of before.volumes ?? []) {
    const had = pluggableOf(before, name);
    if (!had) continue;
    const after = pluggableOf(wanted, name);
    const gone = !wanted.volumes?.some((volume) => volume.name === name);
    // A volume that was moved is where it should be before the record says so.
    const has = pluggableOf(running, name);
    const arrived = after !== undefined && has !== undefined && isSame(has, after, false);
    if (gone || (after && !arrived && !isSame(had, after, migrates))) remove.push(name);
  }
  return { add, remove };
}

/** Plugs that the VM asks of its running guest. None where changes of the template wait for a restart. */
export function wantedPlugs({ vm, vmi, liveUpdate }: SeenMachine): Plugs {
  const before = vmi && startedFrom(vmi);
  if (!before || !liveUpdate || before.domain.devices.disableHotplug === true) return noPlugs;
  return plugsBetween(before, vm.spec.template.spec, vmi.spec, vm.spec.updateVolumesStrategy === 'Migration');
}

export function plugNames({ add, remove }: Plugs): ReadonlySet<string> {
  return new Set([...add.map(({ volume }) => volume.name), ...remove]);
}

function without(spec: Spec, names: readonly string[]): Spec {
  return names.reduce((rest, name) => withoutVolume(rest, name), spec);
}

export type PlugStep =
  | { readonly do: 'nothing' }
  | { readonly do: 'wait'; readonly message: string }
  | { readonly do: 'change'; readonly vmi: Instance };

function whyNot(seen: SeenMachine, vmi: Instance): string | undefined {
  const [active] = seen.activeMigrations;
  if (active) return `migration ${active.metadata.name} moves the guest`;
  if (isUnderway(vmi.status?.migrationState)) return 'an earlier migration of the guest has not ended yet';
  return (vmi.status?.migratedVolumes ?? []).length > 0 ? 'volumes of the guest are being moved' : undefined;
}

/** Why this volume cannot come now. */
function hindrance(vmi: Instance, { volume }: Pluggable): string | undefined {
  const { name } = volume;
  if (leavingVolumes(vmi).includes(name)) return `volume ${name}: the guest is still losing the one of that name`;
  if (vmi.spec.volumes?.some((one) => one.name === name))
    return `volume ${name}: the guest has got another one of that name by addvolume; remove that first`;
  const user = [...claimsOf(vmi.spec.volumes)].find(([, claim]) => claim === claimOf(volume))?.[0];
  return user === undefined
    ? undefined
    : `volume ${name}: its claim ${claimOf(volume) ?? ''} is used by volume ${user}`;
}

/**
 * The next step towards volumes that came and went in the template: the VMI's volumes and disks, and in the same write the
 * record of what it was started from, so that nothing of it counts as a change that waits for a restart.
 */
export function decidePlugStep(seen: SeenMachine, plugs: Plugs): PlugStep {
  const { vmi } = seen;
  const before = vmi && startedFrom(vmi);
  if (!vmi || !before || plugNames(plugs).size === 0 || vmi.status?.phase !== 'Running') return { do: 'nothing' };
  const why = whyNot(seen, vmi);
  if (why !== undefined) return { do: 'wait', message: `Volumes come and go once that has ended: ${why}` };
  const rest = without(vmi.spec, plugs.remove);
  const current = { ...vmi, spec: rest };
  const blocked = plugs.add.map((one) => hindrance(current, one));
  const free = plugs.add.filter((_, index) => blocked[index] === undefined);
  if (free.length + plugs.remove.length === 0)
    return { do: 'wait', message: blocked.filter((one) => one !== undefined).join('; ') };
  const plugged = (spec: Spec): Spec => free.reduce((all, { volume, disk }) => withVolume(all, volume, disk), spec);
  const record = plugged(without(before, plugs.remove));
  const annotations = { ...vmi.metadata.annotations, [startedFromAnnotation]: JSON.stringify(record) };
  return { do: 'change', vmi: { ...vmi, metadata: { ...vmi.metadata, annotations }, spec: plugged(rest) } };
}
