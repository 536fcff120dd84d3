import type { Condition, Interface, VirtualMachineInstance, Volume } from '@godwit/api';
import { claimNameOf } from '../launcher/claims.ts';
import type { SeenClaim } from '../launcher/claims.ts';
import { interfacesOf, shownVolumes } from '../launcher/machine-spec.ts';

export interface MigratabilityInput {
  readonly vmi: Pick<VirtualMachineInstance, 'spec' | 'status'>;
  readonly claims: readonly SeenClaim[];
}

export interface Migratability {
  readonly conditions: readonly Condition[];
  readonly method: 'BlockMigration' | 'LiveMigration';
}

interface Blocker {
  readonly reason: string;
  readonly message: string;
}

function networkBlocker(nic: Interface, networks: readonly { name: string; pod?: object }[]): Blocker | undefined {
  const onPodNetwork = networks.find((network) => network.name === nic.name)?.pod !== undefined;
  if (nic.bridge === undefined || !onPodNetwork) return undefined;
  return {
    reason: 'InterfaceNotLiveMigratable',
    message: `cannot migrate VMI: interface ${nic.name} connects to the pod network by a bridge`,
  };
}

function isMigrated(volume: Volume, { vmi }: MigratabilityInput): boolean {
  return vmi.status?.migratedVolumes?.some((info) => info.volumeName === volume.name) ?? false;
}

function diskBlocker(volume: Volume, input: MigratabilityInput): Blocker | undefined {
  const claimName = claimNameOf(volume);
  if (claimName === undefined || isMigrated(volume, input)) return undefined;
  const pvc = input.claims.find((claim) => claim.volume === volume.name)?.pvc;
  const reason = 'DisksNotLiveMigratable';
  if (!pvc)
    return {
      reason,
      message: `cannot migrate VMI: unable to determine if PVC ${claimName} is shared, it is not known`,
    };
  const modes = pvc.status?.accessModes ?? pvc.spec.accessModes ?? [];
  if (modes.includes('ReadWriteMany')) return undefined;
  return {
    reason,
    message:
      `cannot migrate VMI: PVC ${claimName} is not shared, ` +
      'live migration requires that all PVCs must be shared (using ReadWriteMany access mode)',
  };
}

/** True when the disk's bytes belong to this node and have to travel with the guest. */
function isPrivateWritable(vmi: Pick<VirtualMachineInstance, 'spec'>, volume: Volume): boolean {
  if (claimNameOf(volume) !== undefined) return false;
  const disk = shownVolumes(vmi).find((shown) => shown.volume.name === volume.name)?.disk;
  return disk !== undefined && disk.cdrom === undefined && disk.disk?.readonly !== true;
}

function condition(type: string, blocker: Blocker | undefined): Condition {
  return blocker === undefined ? { type, status: 'True' } : { type, status: 'False', ...blocker };
}

/** Whether and how a running guest can move: KubeVirt's order of checks, the first blocker wins. */
export function decideMigratability(input: MigratabilityInput): Migratability {
  const { spec, status } = input.vmi;
  const volumes = spec.volumes ?? [];
  const networks = spec.networks ?? [];
  const network = interfacesOf(input.vmi)
    .map((nic) => networkBlocker(nic, networks))
    .find((blocker) => blocker !== undefined);
  const disks = volumes.map((volume) => diskBlocker(volume, input)).find((blocker) => blocker !== undefined);
  const blocks = (status?.migratedVolumes?.length ?? 0) > 0 || volumes.some((one) => isPrivateWritable(input.vmi, one));
  const storageBlocker = network && { reason: 'NotMigratable', message: `${network.reason}: ${network.message}` };
  return {
    method: blocks ? 'BlockMigration' : 'LiveMigration',
    conditions: [condition('LiveMigratable', network ?? disks), condition('StorageLiveMigratable', storageBlocker)],
  };
}
