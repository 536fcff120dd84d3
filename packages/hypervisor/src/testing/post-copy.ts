import { spawnSync } from 'node:child_process';

/** Machine-less, and told to go at once. */
const PROBE = ['-nodefaults', '-machine', 'none', '-display', 'none', '-S', '-incoming', 'defer', '-qmp', 'stdio'];
const WANTED = { capabilities: [{ capability: 'postcopy-ram', state: true }] };
const COMMANDS = [
  { execute: 'qmp_capabilities' },
  { execute: 'migrate-set-capabilities', arguments: WANTED },
  { execute: 'quit' },
];

let known: boolean | undefined;

/**
 * For tests: whether a QEMU of this process may receive memory by post-copy. QEMU is asked, since the kernel keeps userfaultfd to
 * those with a capability that root need not have in a container.
 */
export function hostHasPostCopy(): boolean {
  if (known === undefined) {
    const input = COMMANDS.map((command) => `${JSON.stringify(command)}\n`).join('');
    const { status, stdout } = spawnSync('qemu-system-x86_64', PROBE, { input, encoding: 'utf8' });
    known = status === 0 && !stdout.includes('"error"');
  }
  return known;
}

export const NEEDS_POST_COPY = 'needs userfaultfd: CAP_SYS_PTRACE, or vm.unprivileged_userfaultfd=1';
