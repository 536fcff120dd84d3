import { compileCacheDirectory } from './layout.ts';

/** Node options of every long-running process. They are many and mostly idle: a small young generation saves 4 MB each. */
const COMMON = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];

/**
 * Node options by role. What agents and controllers do between two waits is short and mostly TLS and JSON; without the
 * optimizing compilers an agent does it in the same time and 9 MB, controllers in a fifth more and 11 MB. The API server,
 * which all others wait for, keeps them.
 */
export const daemonArguments = {
  apiServer: COMMON,
  worker: [...COMMON, '--no-opt', '--no-maglev'],
} as const satisfies Record<string, readonly string[]>;

export type DaemonRole = keyof typeof daemonArguments;

export function daemonEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, NODE_COMPILE_CACHE: compileCacheDirectory(env) };
}
