import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { daemonArguments, daemonEnvironment } from './daemon.ts';
import { compileCacheDirectory } from './layout.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const WARM_UP = fileURLToPath(new URL('../../../server/src/warm.ts', import.meta.url));

/** What the cache was filled from: every source file with its size and time, and the program that runs them. */
function fingerprint(): string {
  const hash = createHash('sha256').update(`${process.version} ${JSON.stringify(daemonArguments)}\n`);
  for (const folder of ['apps', 'packages']) {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      const sources = join(ROOT, folder, entry.name, 'src');
      if (!entry.isDirectory()) continue;
      for (const file of sourceFiles(sources)) {
        const { size, mtimeMs } = statSync(join(sources, file));
        hash.update(`${folder}/${entry.name}/${file} ${size} ${mtimeMs}\n`);
      }
    }
  }
  return hash.digest('hex');
}

function sourceFiles(directory: string): string[] {
  try {
    const all = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    return all.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).toSorted();
  } catch {
    // A package without sources.
    return [];
  }
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return fallback;
  }
}

/** Resolves with whether it worked. The options are those of the daemons: Node caches apart what others compile. */
async function fill(env: NodeJS.ProcessEnv): Promise<boolean> {
  const child = spawn(process.execPath, [...daemonArguments, WARM_UP], {
    stdio: 'ignore',
    env: daemonEnvironment(env),
  });
  return await new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}

/**
 * Fills the compile cache when sources have changed since it was filled, or never were compiled: a process that finds
 * one file missing in it loads the type stripper and is a third larger for the rest of its life. Costs some
 * milliseconds when there is nothing to do. Never rejects: without the cache all works, only larger.
 */
export async function warmCompileCache(env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const cache = compileCacheDirectory(env);
  const checkout = createHash('sha256').update(ROOT).digest('hex').slice(0, 16);
  const stamp = join(cache, `filled-${checkout}`);
  const now = fingerprint();
  if (readOr(stamp, '') === now) return;
  if (!(await fill(env))) return;
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, now);
}
