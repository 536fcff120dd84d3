/** Labels, annotations, finalizers and well-known names. KubeVirt's and CDI's are spelled as upstream spells them. */
export const names = {
  installNamespace: 'kubevirt',
  kubeVirtName: 'kubevirt',
  caConfigMap: 'kubevirt-ca',
  externalCaConfigMap: 'kubevirt-external-ca',
  caBundleKey: 'ca-bundle',

  /** Label of a VMIM: the VMI it moves. */
  vmiNameLabel: 'kubevirt.io/vmi-name',
  nodeNameLabel: 'kubevirt.io/nodeName',
  migrationTargetNodeLabel: 'kubevirt.io/migrationTargetNodeName',
  volumeUpdateMigrationLabel: 'kubevirt.io/volume-update-migration',
  workloadUpdateMigrationAnnotation: 'kubevirt.io/workloadUpdateMigration',
  evacuationMigrationAnnotation: 'kubevirt.io/evacuationMigration',
  /** VMIM: `true` asks to compare the disks of both sides before the guest changes over; VM: the same of its volume updates. */
  verifyAnnotation: 'godwit.dev/verify',
  /** VMI: who asked for the eviction; `descheduler` or absent. */
  evictionSourceAnnotation: 'kubevirt.io/eviction-source',
  /** Launcher pod of a guest that is to leave its node: deschedulers count it as evicted already. */
  evictionInProgressAnnotation: 'descheduler.alpha.kubernetes.io/eviction-in-progress',
  migrationFinalizer: 'kubevirt.io/migrationJobFinalize',
  synchronizationFinalizer: 'synchronization.kubevirt.io/migrationFinalizer',
  restoreRunStrategyAnnotation: 'kubevirt.io/restore-run-strategy',
  createMigrationTargetAnnotation: 'kubevirt.io/create-migration-target',
  immediateDataVolumeCreationAnnotation: 'kubevirt.io/immediate-data-volume-creation',
  vmiFinalizer: 'foregroundDeleteVirtualMachine',
  vmFinalizer: 'kubevirt.io/virtualMachineControllerFinalize',

  /** Labels and annotations of launcher pods. */
  appLabel: 'kubevirt.io',
  createdByLabel: 'kubevirt.io/created-by',
  migrationJobUidLabel: 'kubevirt.io/migrationJobUID',
  migrationJobNameAnnotation: 'kubevirt.io/migrationJobName',
  domainAnnotation: 'kubevirt.io/domain',
  /** Set by the node agent for as long as the pod's QEMU may live: a pod deleted by force must not vanish before it. */
  qemuFinalizer: 'godwit.dev/qemu',
  /** Followed by the name of a CPU model. */
  cpuModelLabel: 'cpu-model.node.kubevirt.io/',
  migrationTargetReadyAnnotation: 'kubevirt.io/migration-target-ready-timestamp',

  /** PVC: set by the scheduler once the first consumer's node is known (Kubernetes' own). */
  selectedNodeAnnotation: 'volume.kubernetes.io/selected-node',
  bindCompletedAnnotation: 'pv.kubernetes.io/bind-completed',
  boundByControllerAnnotation: 'pv.kubernetes.io/bound-by-controller',
  provisionedByAnnotation: 'pv.kubernetes.io/provisioned-by',
  applyStorageProfileLabel: 'cdi.kubevirt.io/applyStorageProfile',
  defaultClassAnnotation: 'storageclass.kubernetes.io/is-default-class',
  pvcProtectionFinalizer: 'kubernetes.io/pvc-protection',
  pvProtectionFinalizer: 'kubernetes.io/pv-protection',

  /** CDI's marks on a PVC that still has to be filled: source kind, endpoint, and how far it is. */
  importSourceAnnotation: 'cdi.kubevirt.io/storage.import.source',
  importEndpointAnnotation: 'cdi.kubevirt.io/storage.import.endpoint',
  /** Its presence asks for an upload; the value is empty. */
  uploadTargetAnnotation: 'cdi.kubevirt.io/storage.upload.target',
  contentTypeAnnotation: 'cdi.kubevirt.io/storage.contentType',
  /** Its presence means: do not wait for the first consumer before the claim is filled. */
  bindImmediatelyAnnotation: 'cdi.kubevirt.io/storage.bind.immediate.requested',
  populationPhaseAnnotation: 'cdi.kubevirt.io/storage.pod.phase',
  /** `true` while the claim's node takes an upload. */
  populationReadyAnnotation: 'cdi.kubevirt.io/storage.pod.ready',
  populationProgressAnnotation: 'godwit.dev/population-progress',
  populationMessageAnnotation: 'cdi.kubevirt.io/storage.condition.running.message',
  preallocationAnnotation: 'cdi.kubevirt.io/storage.preallocation',

  /** Claim annotation, `true`: the guest's disk is to be as big as the claim, also when it came from a smaller one. */
  growDiskAnnotation: 'godwit.dev/grow-disk',
  /** Claim annotation: the size it was expanded to because a disk was to move there, which keeps its own size. */
  expandedForDiskAnnotation: 'godwit.dev/expanded-for-disk',
  /** Godwit's own provisioner of local clusters. */
  provisioner: 'godwit.dev/local',
  /** PV and StorageClass parameter `pool`: `node` (one node's directory) or `shared` (every node of the cluster). */
  poolAnnotation: 'godwit.dev/pool',
  /** PV: the node whose agent creates the bytes, when no consumer chose one. */
  provisionNodeAnnotation: 'godwit.dev/provision-node',
  hostnameLabel: 'kubernetes.io/hostname',
  accelerationLabel: 'godwit.dev/acceleration',
  /** KubeVirt object: guests that one node takes in at a time. */
  inboundLimitAnnotation: 'godwit.dev/parallel-inbound-migrations-per-node',
  /** Node: version of its QEMU, `major.minor`: what the most capable emulated CPU has changes with it. */
  qemuVersionLabel: 'godwit.dev/qemu-version',
  signerName: 'godwit.dev/migration',
} as const;

/** Channels of a migration as the keys of `targetDirectMigrationNodePorts` name them. */
export const migrationChannel = { control: 0, memory: 49152, block: 49153 } as const;

/** `data` of the state change request that starts a VM paused, as KubeVirt has it. */
export const startPaused = { paused: 'true' } as const;
