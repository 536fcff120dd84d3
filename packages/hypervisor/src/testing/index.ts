export {
  buildBootSectorDisk,
  checkBootSectorDisk,
  type BootSectorCheck,
  type BootSectorOptions,
} from './boot-sector-disk.ts';
export { BOOT_SECTOR_DISK, bootSectorSpec, rawFile } from './boot-sector-guest.ts';
export { typeOnSerial, watchSerial, type SerialLine, type SerialWatch } from './serial-watch.ts';
export { hostHasPostCopy, NEEDS_POST_COPY } from './post-copy.ts';
