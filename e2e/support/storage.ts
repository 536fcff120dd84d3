import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';

export const local: Storage = { storageClass: 'local', accessMode: 'ReadWriteOnce', volumeMode: 'Filesystem' };
export const shared: Storage = { storageClass: 'shared', accessMode: 'ReadWriteMany', volumeMode: 'Filesystem' };
export const block: Storage = { storageClass: 'block', accessMode: 'ReadWriteMany', volumeMode: 'Block' };
