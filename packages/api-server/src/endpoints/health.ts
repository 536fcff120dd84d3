import type { Exchange } from '../http/exchange.ts';
import { sendText, sendValue } from '../http/reply.ts';

const CHECKS = ['ping', 'log', 'etcd'];
const ROOTS = ['/healthz', '/livez', '/readyz'];

/** `/version` for a version such as `1.32.0+godwit`. */
export function versionInfo(version: string): object {
  const [major = '1', minor = '32'] = version.split('.');
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return {
    major,
    minor,
    gitVersion: `v${version}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.version}`,
    compiler: 'node',
    platform: `${process.platform}/${arch}`,
  };
}

async function serveHealth(exchange: Exchange, root: string, ready: boolean): Promise<boolean> {
  const check = exchange.path.slice(root.length + 1);
  if (check !== '' && !CHECKS.includes(check)) return false;
  if (!ready && root === '/readyz') {
    await sendText(exchange, 500, '[-]crds not established yet\n');
  } else if (exchange.query.has('verbose')) {
    const lines = (check === '' ? CHECKS : [check]).map((one) => `[+]${one} ok\n`);
    await sendText(exchange, 200, `${lines.join('')}${root.slice(1)} check passed\n`);
  } else {
    await sendText(exchange, 200, 'ok');
  }
  return true;
}

/** Health, version and the list of root paths; returns false for other paths. */
export async function serveInfo(
  exchange: Exchange,
  state: { readonly version: string; readonly ready: boolean; readonly groupVersionPaths: () => readonly string[] },
): Promise<boolean> {
  const { path } = exchange;
  const root = ROOTS.find((one) => path === one || path.startsWith(`${one}/`));
  if (root !== undefined) return await serveHealth(exchange, root, state.ready);
  if (path === '/version' || path === '/version/') {
    await sendValue(exchange, 200, versionInfo(state.version));
    return true;
  }
  if (path !== '/') return false;
  const paths = ['/api', ...state.groupVersionPaths(), ...ROOTS, '/openapi/v2', '/openapi/v3', '/version'];
  await sendValue(exchange, 200, { paths });
  return true;
}
