import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where built images live when the caller names no directory: below `XDG_CACHE_HOME` or `~/.cache`. */
export function defaultCacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const base = env['XDG_CACHE_HOME'] ?? '';
  return join(base === '' ? join(env['HOME'] ?? homedir(), '.cache') : base, 'godwit', 'guest');
}

/** Name of something made from these inputs, and from nothing else. */
export function contentKey(inputs: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(createHash('sha256').update(input).digest());
  return hash.digest('hex').slice(0, 24);
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The directory `<cache>/<name>`, made by `make` when it is not there. `make` fills a private directory that becomes visible
 * whole or not at all, so any number of processes may build at once: the first to finish wins and the others use its result.
 */
export async function cachedDirectory(
  cache: string,
  name: string,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  const final = join(cache, name);
  if (await exists(final)) return final;
  const draft = join(cache, `.draft-${randomBytes(6).toString('hex')}`);
  await mkdir(draft, { recursive: true });
  try {
    await make(draft);
    await rename(draft, final).catch(async (error: unknown) => {
      if (!(await exists(final))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return final;
}
