import { isHotpluggable, normalDisk, withoutVolume } from '@godwit/api';
import type { VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceSpec, Volume } from '@godwit/api';
import { isObject, jsonEqual } from '@godwit/core/json';
import { claimOf } from '../virt/facts.ts';
import { withNodeRulesOf } from './node-rules.ts';

/** Annotation of a VMI: the template spec it was started from, as JSON. It lives exactly as long as it is needed. */
export const startedFromAnnotation = 'godwit.dev/started-from';

export function startedFrom(vmi: VirtualMachineInstance): VirtualMachineInstanceSpec | undefined {
  const text = vmi.metadata.annotations?.[startedFromAnnotation];
  if (text === undefined) return undefined;
  const parsed: unknown = JSON.parse(text);
  // The cast is safe: only this controller writes the annotation, from a template spec the server had validated.
  return isObject(parsed) ? (parsed as unknown as VirtualMachineInstanceSpec) : undefined;
}

function isReadOnly(volume: Volume): boolean {
  return volume.persistentVolumeClaim?.readOnly === true;
}

/** The spec with the claims of claim-backed volumes made equal where strategy Migration lets them differ. */
function withoutMovableClaims(
  spec: VirtualMachineInstanceSpec,
  reference: VirtualMachineInstanceSpec,
): VirtualMachineInstanceSpec {
  const known = new Map((reference.volumes ?? []).map((volume): [string, Volume] => [volume.name, volume]));
  const volumes = (spec.volumes ?? []).map((volume) => {
    const before = known.get(volume.name);
    const movable = before && claimOf(before) !== undefined && claimOf(volume) !== undefined;
    return movable && isReadOnly(before) === isReadOnly(volume) ? before : volume;
  });
  return { ...spec, ...(spec.volumes ? { volumes } : {}) };
}

function changedFields(before: VirtualMachineInstanceSpec, after: VirtualMachineInstanceSpec): string[] {
  const domain = (spec: VirtualMachineInstanceSpec): Record<string, unknown> => ({ ...spec.domain });
  const top = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => key !== 'domain' && !jsonEqual(before[key], after[key]),
  );
  const inner = [...new Set([...Object.keys(before.domain), ...Object.keys(after.domain)])].filter(
    (key) => !jsonEqual(domain(before)[key], domain(after)[key]),
  );
  return [...top, ...inner.map((key) => `domain.${key}`)];
}

function withoutVolumes(spec: VirtualMachineInstanceSpec, names: ReadonlySet<string>): VirtualMachineInstanceSpec {
  return [...names].reduce((rest, name) => withoutVolume(rest, name), spec);
}

/** As the template says it: normal disks of hotpluggable volumes are what was left out there. */
function withNormalDisks(spec: VirtualMachineInstanceSpec): VirtualMachineInstanceSpec {
  const { domain, volumes = [] } = spec;
  const hot = new Set(volumes.filter(isHotpluggable).map(({ name }) => name));
  if (hot.size === 0) return spec;
  const known = domain.devices.disks ?? [];
  const missing = [...hot].filter((name) => !known.some((disk) => disk.name === name)).map((name) => ({ name }));
  const disks = [...known, ...missing].map((disk) => (hot.has(disk.name) ? normalDisk(disk) : disk));
  return { ...spec, domain: { ...domain, devices: { ...domain.devices, disks } } };
}

/**
 * Why the running guest cannot be brought to the template without a restart; undefined when nothing else than movable
 * claims differs, volumes in `plugs`, which come or go while it runs, and the nodes it may go to. Claims are movable only with
 * `liveClaims` (rollout LiveUpdate and strategy Migration), nodes are another matter with `livePlacement` (rollout LiveUpdate).
 */
export function templateChange(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance,
  {
    liveClaims,
    livePlacement = false,
    plugs = new Set(),
  }: {
    readonly liveClaims: boolean;
    readonly livePlacement?: boolean;
    readonly plugs?: ReadonlySet<string>;
  },
): string | undefined {
  const started = startedFrom(vmi);
  if (!started) return undefined;
  const before = withNormalDisks(withoutVolumes(started, plugs));
  const wanted = withNormalDisks(withoutVolumes(vm.spec.template.spec, plugs));
  const movable = liveClaims ? withoutMovableClaims(wanted, before) : wanted;
  const after = livePlacement ? withNodeRulesOf(movable, before) : movable;
  if (jsonEqual(before, after)) return undefined;
  return `a non-live-updatable field was changed in the template spec (${changedFields(before, after).join(', ')})`;
}

/** The record brought up to date with volumes that were moved meanwhile; undefined when it is. */
export function refreshedRecord(vmi: VirtualMachineInstance): string | undefined {
  const before = startedFrom(vmi);
  if (!before) return undefined;
  const running = new Map((vmi.spec.volumes ?? []).map((volume): [string, Volume] => [volume.name, volume]));
  const volumes = (before.volumes ?? []).map((volume) => {
    const now = running.get(volume.name);
    return now && claimOf(volume) !== undefined && claimOf(now) !== claimOf(volume) ? now : volume;
  });
  return jsonEqual(volumes, before.volumes ?? []) ? undefined : JSON.stringify({ ...before, volumes });
}
