/** Marks that the binder and the node agents leave on PersistentVolumes for each other. */
export const volumeMarks = {
  /** `"false"` asks the agent of the provision node to create the bytes; the agent answers `"true"`. */
  provisioned: 'godwit.dev/provisioned',
  /** Why the bytes could not be created; removed by the next success. */
  provisionError: 'godwit.dev/provision-error',
  /** Node that creates a volume of the shared pool, when no consumer chose one. */
  provisionNode: 'godwit.dev/provision-node',
  /** Size (a quantity) the binder wants the volume to grow to; the agent answers with the same text in `expandedTo`. */
  expandTo: 'godwit.dev/expand-to',
  expandedTo: 'godwit.dev/expanded-to',
  /** Size the volume has been expanded to; stays. */
  expanded: 'godwit.dev/expanded',
  /** Holds a deleted PV until the agent has dealt with its bytes. */
  finalizer: 'godwit.dev/volume',
} as const;
