import { isObject } from '@godwit/core/json';

/**
 * How the local runtime treats a field of a VMI spec.
 * `implemented`: has its documented effect. `warning`: accepted, has no effect, the client is told. `rejected`: ignoring it
 * would change the guest, so the object is refused.
 */
export type Support = 'implemented' | 'warning' | 'rejected';

export interface SupportRule {
  readonly support: Support;
  readonly note?: string;
  /** Values that ask for what happens anyway; without this, `false`. */
  readonly fits?: readonly unknown[];
}

const yes = (note?: string): SupportRule => ({ support: 'implemented', ...(note ? { note } : {}) });
const warn = (note: string): SupportRule => ({ support: 'warning', note });
const no = (note: string): SupportRule => ({ support: 'rejected', note });
const warnUnless = (fits: unknown, note: string): SupportRule => ({ support: 'warning', note, fits: [fits] });

/**
 * Rules by path below the VMI spec; `[]` stands for any list item. The longest matching path wins, but nothing below a
 * field that is not implemented is looked at; a field that no rule covers is a `warning`.
 */
export const vmiSpecSupport: Readonly<Record<string, SupportRule>> = {
  'domain.cpu.cores': yes(),
  'domain.cpu.sockets': yes(),
  'domain.cpu.threads': yes(),
  'domain.cpu.model': yes(
    'host-model and host-passthrough give every CPU feature that the node can run; a named model needs a node that has all of it; a move asks the same of its target',
  ),
  'domain.cpu.dedicatedCpuPlacement': warn("vCPUs share the node's CPUs"),
  'domain.memory.guest': yes(),
  'domain.machine.type': yes('q35 and pc, also with a version'),
  'domain.resources.requests': yes(
    'cpu and memory are used for scheduling; memory is the guest size when memory.guest is absent',
  ),
  'domain.resources.limits': yes(
    'memory is the guest size when neither memory.guest nor a request is there; no cgroup limit is set',
  ),
  'domain.firmware.uuid': yes(),
  'domain.firmware.bootloader.bios': yes(),
  'domain.firmware.bootloader.bios.useSerial': warn('the BIOS writes nothing to the serial console'),
  'domain.firmware.bootloader.efi': no('only BIOS firmware is available'),
  'domain.firmware.kernelBoot': no('guests boot from their disks only'),
  'domain.firmware.acpi': no('custom ACPI tables are not available'),
  'domain.features.acpi': yes(),
  'domain.features.acpi.enabled': warnUnless(true, 'ACPI is always on'),
  'domain.features.apic': yes(),
  'domain.features.apic.enabled': warnUnless(true, 'there is always an APIC'),
  'domain.features.apic.endOfInterrupt': warn('left to QEMU'),
  'domain.clock.utc': yes('the guest clock is UTC'),
  'domain.clock.utc.offsetSeconds': warnUnless(0, 'the guest clock is UTC'),
  'domain.launchSecurity': no('confidential guests are not available'),
  'domain.devices.disks[].name': yes(),
  'domain.devices.disks[].disk.bus': yes('virtio, sata and scsi'),
  'domain.devices.disks[].disk.readonly': yes(),
  'domain.devices.disks[].disk.pciAddress': no('PCI addresses are assigned by Godwit'),
  'domain.devices.disks[].cdrom.bus': yes('sata and scsi'),
  'domain.devices.disks[].cdrom.readonly': yes(),
  'domain.devices.disks[].cdrom.tray': warn('the tray is closed'),
  'domain.devices.disks[].bootOrder': yes(),
  'domain.devices.disks[].serial': yes(),
  'domain.devices.disks[].cache': yes(),
  'domain.devices.disks[].lun': no('SCSI passthrough is not available'),
  'domain.devices.disks[].shareable': no('a disk belongs to one VM'),
  'domain.devices.disks[].blockSize': no('the logical block size is 512 bytes'),
  'domain.devices.interfaces[].name': yes(),
  'domain.devices.interfaces[].model': yes('virtio and e1000'),
  'domain.devices.interfaces[].macAddress': yes(),
  'domain.devices.interfaces[].masquerade': yes('10.0.2.2 behind network address translation'),
  'domain.devices.interfaces[].bridge': warn('behaves as masquerade'),
  'domain.devices.interfaces[].slirp': warn('behaves as masquerade'),
  'domain.devices.interfaces[].passt': warn('behaves as masquerade'),
  'domain.devices.interfaces[].passtBinding': warn('behaves as masquerade'),
  'domain.devices.interfaces[].ports': warn('no inbound port is opened'),
  'domain.devices.interfaces[].sriov': no('SR-IOV is not available'),
  'domain.devices.interfaces[].macvtap': no('macvtap is not available'),
  'domain.devices.interfaces[].binding': no('network binding plug-ins are not available'),
  'domain.devices.interfaces[].pciAddress': no('PCI addresses are assigned by Godwit'),
  'domain.devices.rng': yes(),
  'domain.devices.disableHotplug': yes('without it every guest has a SCSI controller'),
  'domain.devices.autoattachPodInterface': yes(),
  'domain.devices.autoattachSerialConsole': warnUnless(true, 'there is always a serial console'),
  'domain.devices.logSerialConsole': warnUnless(true, 'console output is always kept on the node'),
  'domain.devices.autoattachGraphicsDevice': warn('there is no graphics device'),
  'domain.devices.autoattachVSOCK': no('vsock is not available'),
  'domain.devices.filesystems': no('virtiofs is not available'),
  'domain.devices.gpus': no('GPUs are not available'),
  'domain.devices.hostDevices': no('host devices are not available'),
  'domain.devices.tpm': no('a TPM is not available'),
  'domain.devices.watchdog': no('a watchdog is not available'),
  'domain.devices.downwardMetrics': no('downward metrics are not available'),
  'volumes[].name': yes(),
  'volumes[].dataVolume.name': yes(),
  'volumes[].dataVolume.hotpluggable': yes('comes and goes while the guest runs, as a disk on bus scsi'),
  'volumes[].persistentVolumeClaim.claimName': yes(),
  'volumes[].persistentVolumeClaim.readOnly': yes(),
  'volumes[].persistentVolumeClaim.hotpluggable': yes('comes and goes while the guest runs, as a disk on bus scsi'),
  'volumes[].containerDisk.image': yes('found in the local image catalogue, else pulled by skopeo'),
  'volumes[].containerDisk.imagePullPolicy': yes(),
  'volumes[].containerDisk.path': warn('the only disk of the image is used'),
  'volumes[].cloudInitNoCloud': yes(),
  'volumes[].emptyDisk.capacity': yes(),
  'volumes[].cloudInitConfigDrive': no('use cloudInitNoCloud'),
  'volumes[].configMap': no('use cloudInitNoCloud or a DataVolume'),
  'volumes[].secret': no('use cloudInitNoCloud or a DataVolume'),
  'volumes[].serviceAccount': no('not available to guests'),
  'volumes[].sysprep': no('not available to guests'),
  'volumes[].downwardAPI': no('not available to guests'),
  'volumes[].downwardMetrics': no('not available to guests'),
  'volumes[].hostDisk': no('use a persistentVolumeClaim'),
  'volumes[].ephemeral': no('use a containerDisk'),
  'volumes[].memoryDump': no('memory dumps are not available'),
  'volumes[].containerPath': no('not available to guests'),
  'networks[].name': yes(),
  'networks[].pod': yes('the pod network'),
  'networks[].pod.vmNetworkCIDR': warnUnless('10.0.2.0/24', 'always 10.0.2.0/24'),
  'networks[].pod.vmIPv6NetworkCIDR': warn('chosen by QEMU'),
  'networks[].multus': no('secondary networks are not available'),
  nodeSelector: yes('a change holds for the next move of a running guest, without a restart'),
  affinity: yes('preferred terms weigh when several nodes fit; changes as of nodeSelector'),
  tolerations: yes('changes as of nodeSelector'),
  architecture: yes('amd64'),
  hostname: yes('through cloud-init'),
  terminationGracePeriodSeconds: yes(),
  startStrategy: yes('Paused'),
  evictionStrategy: yes('External only marks the VMI; somebody else has to move it'),
  resourceClaims: no('dynamic resource allocation is not available'),
  utilityVolumes: no('utility volumes are not available'),
};

export interface SupportFinding {
  /** Dotted path with list indices, for example `spec.volumes[1].sysprep`. */
  readonly field: string;
  readonly rule: SupportRule;
}

export type SupportRules = Readonly<Record<string, SupportRule>>;

const UNCOVERED: SupportRule = { support: 'warning', note: 'not implemented' };

function hasDeeperRules(rules: SupportRules, pattern: string): boolean {
  return (
    pattern === '' ||
    Object.keys(rules).some((path) => path.startsWith(`${pattern}.`) || path.startsWith(`${pattern}[]`))
  );
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

const FALSE: readonly unknown[] = [false];

/** Every field below `value` that the rules do not call implemented. `root` prefixes the reported paths. */
export function findUnsupported(rules: SupportRules, value: unknown, root: string): SupportFinding[] {
  const findings: SupportFinding[] = [];
  const walk = (member: unknown, pattern: string, field: string, inherited: SupportRule): void => {
    if (isUnset(member)) return;
    const rule = rules[pattern] ?? inherited;
    const deeper = hasDeeperRules(rules, pattern);
    if (rules[pattern] ? rule.support !== 'implemented' : !deeper) {
      if (rule.support !== 'implemented' && !(rule.fits ?? FALSE).includes(member)) findings.push({ field, rule });
      return;
    }
    if (!deeper) return;
    if (Array.isArray(member)) member.forEach((item, i) => walk(item, `${pattern}[]`, `${field}[${i}]`, rule));
    else if (isObject(member)) {
      for (const [key, item] of Object.entries(member)) {
        walk(item, pattern === '' ? key : `${pattern}.${key}`, `${field}.${key}`, rule);
      }
    }
  };
  walk(value, '', root, UNCOVERED);
  return findings;
}

/** The options of a migration, in the KubeVirt object and in a MigrationPolicy. */
const migrationOptions: SupportRules = {
  bandwidthPerMigration: yes('for all disks and memory of a move together; lifted while the guest is paused'),
  completionTimeoutPerGiB: yes(),
  maxDowntimeMs: yes('the limit begins at 10 ms and doubles up to this while memory does not converge'),
  allowAutoConverge: yes(
    'the share of time that is taken from the guest is in `status.progress.memory.throttlePercent`; also what it may write to disks that do not converge otherwise, in `writeLimitBytesPerSecond` of `status.progress.volumes`',
  ),
  allowPostCopy: yes(
    'once memory has made no progress or is late; not when volumes are copied or the guest leaves its cluster, nor where QEMU may not use userfaultfd: the guest is then paused instead, unless allowWorkloadDisruption is false',
  ),
  allowWorkloadDisruption: yes(
    'the guest is paused for the rest of the move once memory has made no progress or is late; unset: as allowPostCopy',
  ),
};

/** KubeVirt object: `spec`. */
export const kubeVirtSpecSupport: SupportRules = {
  ...Object.fromEntries(
    Object.entries(migrationOptions).map(([key, rule]) => [`configuration.migrations.${key}`, rule]),
  ),
  'configuration.migrations.parallelMigrationsPerCluster': yes(),
  'configuration.migrations.parallelOutboundMigrationsPerNode': yes(
    'a node also takes in two guests at a time; annotation godwit.dev/parallel-inbound-migrations-per-node',
  ),
  'configuration.migrations.progressTimeout': yes(),
  'configuration.migrations.disableTLS': yes('in a move between clusters only when both say so'),
  'configuration.migrations.network': warn('nodes of a local cluster share the loopback network'),
  'configuration.migrations.nodeDrainTaintKey': yes(
    'with effect NoSchedule; deprecated by KubeVirt, use kubectl drain',
  ),
  'configuration.migrations.unsafeMigrationOverride': warn('no safety check is skipped'),
  'configuration.migrations.utilityVolumesTimeout': warn('utility volumes are not available'),
  'configuration.migrations.matchSELinuxLevelOnMigration': warn('guests have no SELinux level'),
  'configuration.vmRolloutStrategy': yes(),
  'configuration.evictionStrategy': yes(
    'of VMIs that name none; LiveMigrateIfPossible in clusters that godwit up made',
  ),
  'configuration.developerConfiguration.featureGates': yes(
    'gates of what is there are always on; others have no effect, and get a Warning',
  ),
  'workloadUpdateStrategy.workloadUpdateMethods': yes(
    'LiveMigrate; Evict has no effect and gets a Warning: a volume change never evicts',
  ),
  'workloadUpdateStrategy.batchEvictionSize': warn('nothing is evicted'),
  'workloadUpdateStrategy.batchEvictionInterval': warn('nothing is evicted'),
};

/** MigrationPolicy: `spec`. */
export const migrationPolicySpecSupport: SupportRules = {
  ...migrationOptions,
  selectors: yes(),
  'experimental.downtimeTuning': yes('the limit rises in equal steps instead of doubling'),
  'experimental.stallDetector': warn('not implemented'),
  'experimental.compression': warn('not implemented'),
};

/** VirtualMachine: `spec` without the template, which is a VMI spec. */
export const virtualMachineSpecSupport: SupportRules = {
  runStrategy: yes(),
  running: yes('deprecated by KubeVirt'),
  template: yes('see the VMI spec'),
  dataVolumeTemplates: yes(),
  updateVolumesStrategy: yes('Migration and Replacement'),
  instancetype: no('write the fields into the template'),
  preference: no('write the fields into the template'),
};

/** VirtualMachineInstanceMigration: `spec`. */
export const migrationSpecSupport: SupportRules = {
  vmiName: yes(),
  addedNodeSelector: yes(),
  priority: yes('set by the controllers only'),
  sendTo: yes(),
  receive: yes(),
};

/** What `pvc` and `storage` of a DataVolume have in common. */
function claimRules(path: 'pvc' | 'storage'): SupportRules {
  return {
    [`${path}.dataSource`]: no('cloning is not available'),
    [`${path}.dataSourceRef`]: no('cloning is not available'),
    [`${path}.selector`]: yes('chooses among volumes that exist; nothing is provisioned for a claim that has one'),
    [`${path}.resources.limits`]: warn('requests.storage is the size of the volume'),
  };
}

/** DataVolume: `spec`. */
export const dataVolumeSpecSupport: SupportRules = {
  'source.blank': yes(),
  'source.http.url': yes(),
  'source.http.secretRef': warn('downloads are anonymous'),
  'source.http.certConfigMap': warn('no certificate authority is added'),
  'source.http.extraHeaders': warn('no header is added'),
  'source.http.secretExtraHeaders': warn('no header is added'),
  'source.registry.url': yes(),
  'source.registry.secretRef': warn("skopeo's own credentials are used"),
  'source.registry.certConfigMap': warn('no certificate authority is added'),
  'source.registry.imageStream': no('use url'),
  'source.registry.pullMethod': warn('found in the local image catalogue, else pulled by skopeo'),
  'source.registry.platform': warn("the image for the machine's own platform is pulled"),
  'source.upload': yes('`godwit upload` or `virtctl image-upload`; disk images, also packed with gzip'),
  'source.gcs': no('use http'),
  'source.imageio': no('use http or upload'),
  'source.pvc': no('cloning is not available'),
  'source.s3': no('use http'),
  'source.snapshot': no('snapshots are not available'),
  'source.vddk': no('use http or upload'),
  sourceRef: no('use source'),
  ...claimRules('pvc'),
  pvc: yes(),
  'pvc.volumeAttributesClassName': warn('classes of volume attributes are not available'),
  ...claimRules('storage'),
  storage: yes('modes that are left out come from the StorageProfile'),
  contentType: yes('kubevirt; archive is refused, but for source.blank, where it has no effect'),
  preallocation: warn('volumes are thin'),
  checkpoints: warn('not implemented'),
  finalCheckpoint: warn('not implemented'),
  priorityClassName: warn('nothing is scheduled for an import'),
};
