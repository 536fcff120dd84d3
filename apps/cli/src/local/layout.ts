import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

/** Every file location of a set of local clusters. Pure; nothing here touches the disk. */
export interface Layout {
  readonly root: string;
  readonly stateFile: string;
  readonly kubeconfig: string;
  readonly images: string;
  /**
   * Private directory for unix sockets; short, because a socket path may hold 107 bytes only, and the same for whoever asks,
   * so that TMPDIR has no say in it.
   */
  readonly sockets: string;
  readonly controlSocket: string;
  readonly supervisorLog: string;
  /** Everything that godwit makes below `root`, apart from the state file. */
  readonly data: readonly string[];
  /** Shared with other directories. */
  readonly cache: string;
  cluster(name: string): ClusterLayout;
}

export interface ClusterLayout {
  readonly root: string;
  readonly pki: string;
  readonly database: string;
  readonly shared: string;
  readonly logs: string;
  readonly config: string;
  node(name: string): string;
}

export function defaultDirectory(env: NodeJS.ProcessEnv): string {
  const state = env['XDG_STATE_HOME'];
  return join(state !== undefined && state !== '' ? state : join(homedir(), '.local', 'state'), 'godwit');
}

/** What all local clusters of this user share and may lose at any time. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const cache = env['XDG_CACHE_HOME'];
  return join(cache !== undefined && cache !== '' ? resolve(cache) : join(homedir(), '.cache'), 'godwit');
}

/** Where Node keeps compiled code: processes start faster and stay smaller, since types need not be stripped again. */
export function compileCacheDirectory(env: NodeJS.ProcessEnv): string {
  return join(cacheDirectory(env), 'compiled');
}

/** `node:crypto` is not imported above: the supervisor is told the directory and does without OpenSSL, which takes 2 MiB. */
function socketDirectory(root: string): string {
  const id = process.getBuiltinModule('node:crypto').createHash('sha256').update(root).digest('hex').slice(0, 8);
  return join('/tmp', `gw-${userInfo().uid}-${id}`);
}

export function layoutOf(directory: string, knownSockets?: string): Layout {
  const root = resolve(directory);
  const sockets = knownSockets ?? socketDirectory(root);
  return {
    root,
    stateFile: join(root, 'state.json'),
    kubeconfig: join(root, 'kubeconfig'),
    images: join(root, 'images'),
    sockets,
    controlSocket: join(sockets, 'control'),
    supervisorLog: join(root, 'supervisor.log'),
    data: ['clusters', 'images', 'run', 'kubeconfig', 'supervisor.log', 'state.json.new'].map((name) =>
      join(root, name),
    ),
    cache: cacheDirectory(process.env),
    cluster(name) {
      const base = join(root, 'clusters', name);
      return {
        root: base,
        pki: join(base, 'pki'),
        database: join(base, 'api.sqlite'),
        shared: join(base, 'shared'),
        logs: join(base, 'logs'),
        config: join(base, 'config'),
        node: (node) => join(base, 'nodes', node),
      };
    },
  };
}
