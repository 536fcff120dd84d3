import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { tryCommand } from '../run-command.ts';
import type { Finished } from '../run-command.ts';

/** One libvirtd of our own: it shares nothing with another one, nor with any that the machine runs. */
export interface LibvirtDaemon extends AsyncDisposable {
  readonly uri: string;
  /** A run that takes longer than `timeoutMs` is ended. */
  virsh(timeoutMs: number, ...parameters: readonly string[]): Promise<Finished>;
}

const PRIVATE = { run: '/run/libvirt', lib: '/var/lib/libvirt', etc: '/etc/libvirt', log: '/var/log/libvirt' } as const;

/**
 * Starts libvirtd in a mount and a UTS namespace of its own, with directories below `directory`, and resolves when it answers.
 * Needs root. Disposal ends its guests and itself.
 */
export async function startLibvirtDaemon(
  directory: string,
  name: string,
  options: { readonly pki: string; readonly migrationPort: number },
): Promise<LibvirtDaemon> {
  const at = (place: string): string => join(directory, place);
  for (const place of [...Object.keys(PRIVATE), 'cache']) await mkdir(at(place), { recursive: true, mode: 0o755 });
  await mkdir(join(at('etc'), 'qemu', 'networks'), { recursive: true });
  const hosts = await readFile('/etc/hosts', 'utf8').catch(() => '');
  await writeFile(at('hosts'), `${hosts}\n127.0.0.1 bench-a bench-b\n`);
  await writeFile(join(at('etc'), 'libvirtd.conf'), daemonSettings());
  await writeFile(join(at('etc'), 'qemu.conf'), qemuSettings(options.pki, options.migrationPort));
  const mounts = [
    ...Object.entries(PRIVATE).map(([place, target]) => [at(place), target] as const),
    [at('cache'), '/var/cache/libvirt'] as const,
  ];
  const script = [
    'set -e',
    ...mounts.map(([from, to]) => `mkdir -p ${to}; mount --bind '${from}' ${to}`),
    `mount --bind '${at('hosts')}' /etc/hosts`,
    `hostname bench-${name}`,
    `exec libvirtd -p '${at('run')}/libvirtd.pid'`,
  ].join('\n');
  await using log = await open(at('libvirtd.log'), 'a');
  const child = spawn('unshare', ['--mount', '--uts', '--propagation', 'private', 'sh', '-c', script], {
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = once(child, 'exit').catch(() => undefined);
  const socket = join(at('run'), 'libvirt-sock');
  const uri = `qemu:///system?socket=${socket}`;
  const virsh = (timeoutMs: number, ...parameters: readonly string[]) =>
    tryCommand('virsh', ['-c', uri, ...parameters], timeoutMs);
  const daemon: LibvirtDaemon = {
    uri,
    virsh,
    async [Symbol.asyncDispose]() {
      const { status, output } = await virsh(10_000, 'list', '--name');
      if (status === 0)
        for (const guest of output.split('\n').filter((line) => line.trim() !== ''))
          await virsh(10_000, 'destroy', guest.trim());
      child.kill('SIGTERM');
      const impatient = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(impatient);
    },
  };
  try {
    await waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`libvirtd ended: ${await readFile(at('libvirtd.log'), 'utf8')}`);
        return (await virsh(10_000, 'version')).status === 0;
      },
      { timeoutMs: 30_000, intervalMs: 200, what: `libvirtd; its log is ${at('libvirtd.log')}` },
    );
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

function daemonSettings(): string {
  return ['auth_unix_rw = "none"', 'auth_unix_ro = "none"', `host_uuid = "${randomUUID()}"`, ''].join('\n');
}

function qemuSettings(pki: string, migrationPort: number): string {
  return [
    'security_driver = "none"',
    'user = "root"',
    'group = "root"',
    'dynamic_ownership = 0',
    'remember_owner = 0',
    'cgroup_controllers = []',
    'namespaces = []',
    'stdio_handler = "file"',
    `default_tls_x509_cert_dir = "${pki}"`,
    'default_tls_x509_verify = 1',
    `migrate_tls_x509_cert_dir = "${pki}"`,
    'migrate_tls_x509_verify = 1',
    `migration_port_min = ${migrationPort}`,
    `migration_port_max = ${migrationPort + 40}`,
    '',
  ].join('\n');
}
