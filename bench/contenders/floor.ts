import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { command } from '../run-command.ts';

/** Copies a raw image past the page cache, without any guest. Resolves with how long it took. */
export async function qemuImgConvert(from: string, to: string): Promise<number> {
  const started = performance.now();
  await command('qemu-img', 'convert', '-t', 'none', '-T', 'none', '-f', 'raw', '-O', 'raw', from, to);
  return performance.now() - started;
}

/** The same by nbdcopy between two qemu-nbd, which are started before the clock. */
export async function nbdCopy(from: string, to: string, directory: string): Promise<number> {
  await writeFile(to, '');
  await truncate(to, (await stat(from)).size);
  const sockets = { from: join(directory, 'nbd-from.sock'), to: join(directory, 'nbd-to.sock') };
  const common = ['-f', 'raw', '--cache=none', '--persistent', '-e', '8', '--discard=unmap'];
  const servers = [
    spawn('qemu-nbd', [...common, '-r', '-k', sockets.from, from], { stdio: 'ignore' }),
    spawn('qemu-nbd', [...common, '--detect-zeroes=unmap', '-k', sockets.to, to], { stdio: 'ignore' }),
  ];
  const ends = servers.map((server) => once(server, 'exit').catch(() => undefined));
  try {
    for (const socket of Object.values(sockets))
      await waitFor(async () => (await stat(socket).catch(() => undefined)) !== undefined, {
        timeoutMs: 10_000,
        what: socket,
      });
    const started = performance.now();
    await command(
      'nbdcopy',
      '--destination-is-zero',
      '--flush',
      `nbd+unix:///?socket=${sockets.from}`,
      `nbd+unix:///?socket=${sockets.to}`,
    );
    return performance.now() - started;
  } finally {
    for (const server of servers) server.kill('SIGTERM');
    await Promise.all(ends);
    for (const socket of Object.values(sockets)) await rm(socket, { force: true });
  }
}
