import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { carrierArguments } from '@godwit/migration-link';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { warmCompileCache } from '../src/local/compile-cache.ts';
import { daemonArguments, daemonEnvironment } from '../src/local/daemon.ts';
import { compileCacheDirectory } from '../src/local/layout.ts';

let home: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'gw-compiled-'));
  env = { ...process.env, XDG_CACHE_HOME: home };
  await warmCompileCache(env);
});
afterAll(() => rmSync(home, { recursive: true }));

function cached(): string[] {
  return readdirSync(compileCacheDirectory(env), { recursive: true, encoding: 'utf8' }).toSorted();
}

/** Starts a program that ends at once for want of its configuration, and returns how it ended. */
function start(program: string, options: readonly string[]): number | null {
  const script = fileURLToPath(new URL(`../../../${program}`, import.meta.url));
  return spawnSync(process.execPath, [...options, script], { env: daemonEnvironment(env), stdio: 'ignore' }).status;
}

test.each([
  'apps/server/src/api-server.ts',
  'apps/server/src/controllers.ts',
  'apps/server/src/node-agent.ts',
  'apps/cli/src/local/supervisor-main.ts',
])('%s finds all it loads compiled', (program) => {
  const before = cached();
  expect(start(program, daemonArguments)).toBe(1);
  expect(cached()).toEqual(before);
});

test('so does a carrier, which has Node options of its own', () => {
  const before = cached();
  expect(start('packages/migration-link/src/carrier-main.ts', carrierArguments)).toBe(0);
  expect(cached()).toEqual(before);
});

test('a program with other options is compiled anew, so the tests above can fail', () => {
  const before = cached();
  start('apps/server/src/node-agent.ts', ['--no-sparkplug']);
  expect(cached().length).toBeGreaterThan(before.length);
});
