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
  migrationTargetReadyAnnotation: 'kubevirt.io/migration-target-ready-timestamp',

  /** PVC: set by the scheduler once the first consumer's node is known (Kubernetes' own). */
  selectedNodeAnnotation: 'volume.kubernetes.io/selected-node',
  bindCompletedAnnotation: 'pv.kubernetes.io/bind-completed',
  boundByControllerAnnotation: 'pv.kubernetes.io/bound-by-controller',
  provisionedByAnnotation: 'pv.kubernetes.io/provisioned-by',
  defaultClassAnnotation: 'storageclass.kubernetes.io/is-default-class',
  pvcProtectionFinalizer: 'kubernetes.io/pvc-protection',
  pvProtectionFinalizer: 'kubernetes.io/pv-protection',

  /** CDI's marks on a PVC that still has to be filled: source kind, endpoint, and how far it is. */
  importSourceAnnotation: 'cdi.kubevirt.io/storage.import.source',
  importEndpointAnnotation: 'cdi.kubevirt.io/storage.import.endpoint',
  populationPhaseAnnotation: 'cdi.kubevirt.io/storage.pod.phase',
  populationProgressAnnotation: 'godwit.dev/population-progress',
  populationMessageAnnotation: 'cdi.kubevirt.io/storage.condition.running.message',
  preallocationAnnotation: 'cdi.kubevirt.io/storage.preallocation',

  /** Godwit's own provisioner of local clusters. */
  provisioner: 'godwit.dev/local',
  /** PV and StorageClass parameter `pool`: `node` (one node's directory) or `shared` (every node of the cluster). */
  poolAnnotation: 'godwit.dev/pool',
  hostnameLabel: 'kubernetes.io/hostname',
  accelerationLabel: 'godwit.dev/acceleration',
  signerName: 'godwit.dev/migration',
} as const;

/** Channels of a migration as the keys of `targetDirectMigrationNodePorts` name them. */
export const migrationChannel = { control: 0, memory: 49152, block: 49153 } as const;
