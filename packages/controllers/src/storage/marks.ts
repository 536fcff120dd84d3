/** Marks that binder and node agents leave on PersistentVolumes and claims for each other. */
export const storageMarks = {
  /** `"false"` asks the agent of the provision node to create the bytes; the agent answers `"true"`. */
  provisioned: 'godwit.dev/provisioned',
  /** Why the bytes could not be created, written by the agent. */
  provisionError: 'godwit.dev/provision-error',
  /** The node whose agent creates the volume. */
  provisionNode: 'godwit.dev/provision-node',
  /** Size the agent is asked to grow a volume to; it answers with `expandedTo`. */
  expandTo: 'godwit.dev/expand-to',
  expandedTo: 'godwit.dev/expanded-to',
  /** Stays: somebody wanted the volume bigger than it was made, and so a guest's disk on it. */
  expanded: 'godwit.dev/expanded',
  /** Holds a deleted PV until the agent has dealt with its bytes. */
  volumeFinalizer: 'godwit.dev/volume',
  /** Holds a claim that a VMI uses: after a move in place its launcher pod does not list it. */
  inUseFinalizer: 'godwit.dev/in-use',
  storageProvisioner: 'volume.kubernetes.io/storage-provisioner',
  defaultVirtClass: 'storageclass.kubevirt.io/is-default-virt-class',
} as const;

/** Parameters of a StorageClass of our provisioner. */
export const poolParameter = 'pool';
export const volumeModeParameter = 'volumeMode';
