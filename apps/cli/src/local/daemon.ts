import { compileCacheDirectory } from './layout.ts';

/** Node options of every long-running process: small young generation, since they are many and mostly idle. */
export const daemonArguments: readonly string[] = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];

export function daemonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: compileCacheDirectory(process.env) };
}
