import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import type { AgentConfig } from '../config.ts';

/** Where one node keeps things. */
export interface Directories {
  readonly nodePool: string;
  readonly sharedPool: string;
  /** One durable directory per launcher pod, named by its UID. */
  readonly machines: string;
  readonly journal: string;
  /** Images fetched by this node from the network. */
  readonly imageCache: string;
  readonly catalogue: string;
  /** Parent of the short per-machine directories that hold unix sockets. */
  readonly run: string;
}

export function directoriesOf(
  config: Pick<AgentConfig, 'directory' | 'sharedDirectory' | 'imagesDirectory' | 'runDirectory'>,
): Directories {
  const hash = createHash('sha256').update(config.directory).digest('hex').slice(0, 10);
  return {
    nodePool: join(config.directory, 'volumes'),
    sharedPool: config.sharedDirectory,
    machines: join(config.directory, 'vms'),
    journal: join(config.directory, 'journal'),
    imageCache: join(config.directory, 'images'),
    catalogue: config.imagesDirectory,
    run: config.runDirectory ?? join(tmpdir(), `gw-${process.getuid?.() ?? 0}-${hash}`),
  };
}

/** Makes a directory that only this user can enter. Rejects with `DIRECTORY_UNSAFE` when somebody else owns it. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const stat = await lstat(path);
  const owner = process.getuid?.() ?? stat.uid;
  if (!stat.isDirectory() || stat.uid !== owner || (stat.mode & 0o077) !== 0)
    throw new GodwitError('DIRECTORY_UNSAFE', `${path} must be a directory of this user with mode 0700`);
}

export async function makeDirectories(directories: Directories): Promise<void> {
  const { nodePool, sharedPool, machines, journal, imageCache } = directories;
  for (const path of [nodePool, sharedPool, machines, journal, imageCache])
    await mkdir(path, { recursive: true, mode: 0o700 });
  await makePrivateDirectory(directories.run);
}

/** True when `path` lies strictly below `parent`, whatever dots it contains. */
export function isBelow(parent: string, path: string): boolean {
  const way = relative(resolve(parent), resolve(path));
  return way !== '' && way !== '..' && !way.startsWith('../') && !way.startsWith('/');
}
