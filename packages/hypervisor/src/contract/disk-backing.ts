/** Where a disk's bytes are on this host. */
export interface DiskBacking {
  readonly name: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  /** `file` for image files, `host_device` for block devices. */
  readonly driver: 'file' | 'host_device';
  readonly readOnly: boolean;
}
