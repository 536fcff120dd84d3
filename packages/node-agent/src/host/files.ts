import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function exists(path: string): Promise<boolean> {
  return (await fileSize(path)) !== undefined;
}

/** Apparent size in bytes; `undefined` when there is nothing at `path`. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Bytes that an unprivileged user can still write below `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates (or empties) a sparse file of exactly `sizeBytes` and makes it durable. */
export async function createSparseFile(path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.truncate(sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(path));
}

/** A sparse file under a name that nobody has yet. Whoever comes second leaves the first one's file alone: it may be in use. */
export async function createSparseFileOnce(path: string, sizeBytes: number): Promise<void> {
  const building = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    await createSparseFile(building, sizeBytes);
    await link(building, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(building, { force: true });
  }
  await syncDirectory(dirname(path));
}

/** Gives `from` the name `to` so that after a crash either the old or the complete new file is there. */
export async function publishFile(from: string, to: string): Promise<void> {
  const handle = await open(from, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** The last write of each file that somebody writes now. */
const writing = new Map<string, Promise<void>>();

/** Writes a whole small file atomically and durably. Of several writes at once the one asked for last is there in the end. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const before = writing.get(path);
  const write = (async () => {
    // Whoever asked for it hears how it ended.
    await before?.catch(() => undefined);
    await replaceFile(path, content);
  })();
  writing.set(path, write);
  try {
    await write;
  } finally {
    if (writing.get(path) === write) writing.delete(path);
  }
}

async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await syncDirectory(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** What a directory holds; nothing when it is not there. That it cannot be read is another matter: rejects then. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    // The cast is safe: what a file system call throws has a code.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
