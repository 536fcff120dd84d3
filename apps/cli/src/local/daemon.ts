import { compileCacheDirectory } from './layout.ts';

/**
 * Node options of every long-running process; they are many and mostly idle. A small young generation saves 4 MB each;
 * doing without V8's last compiler stage saves 5 MB and, since most of our time goes to TLS, JSON and SQLite, even some
 * processor time.
 */
export const daemonArguments: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=1',
  '--no-opt',
];

export function daemonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: compileCacheDirectory(process.env) };
}
