import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileCacheDirectory } from './layout.ts';

/** Node options of every long-running process: small young generation, since they are many and mostly idle. */
export const daemonArguments: readonly string[] = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];

export function daemonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: compileCacheDirectory(process.env) };
}

/** Fills the compile cache once, so that even the first processes start without the type stripper. */
export function warmCompileCache(): void {
  if (existsSync(compileCacheDirectory(process.env))) return;
  const script = fileURLToPath(new URL('../../../server/src/warm.ts', import.meta.url));
  spawnSync(process.execPath, [...daemonArguments, script], { stdio: 'ignore', env: daemonEnvironment() });
}
