import { readFileSync } from 'node:fs';

/** For tests: whether a QEMU of this process may receive memory by post-copy; the kernel keeps userfaultfd to root else. */
export function hostHasPostCopy(): boolean {
  try {
    const free = readFileSync('/proc/sys/vm/unprivileged_userfaultfd', 'utf8').trim() === '1';
    return free || process.getuid?.() === 0;
  } catch {
    return false;
  }
}

export const NEEDS_POST_COPY = 'needs userfaultfd: root, or vm.unprivileged_userfaultfd=1';
