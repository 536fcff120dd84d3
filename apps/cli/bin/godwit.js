#!/usr/bin/env node
// Finds Node 24 (the project brings its own) and runs the TypeScript command line with it.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

function ownNode() {
  try {
    const require = createRequire(import.meta.url);
    const manifest = require.resolve(`node-linux-${process.arch}/package.json`);
    const binary = join(dirname(manifest), 'bin', 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

if (major > 22 || (major === 22 && minor >= 18)) {
  await import(main);
} else {
  const node = ownNode();
  if (node === undefined) {
    process.stderr.write(
      `godwit needs Node 22.18 or newer; this is ${process.version}. Run "npm run setup" in the checkout.\n`,
    );
    process.exitCode = 3;
  } else {
    const child = spawn(node, ['--disable-warning=ExperimentalWarning', main, ...process.argv.slice(2)], {
      stdio: 'inherit',
    });
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
    });
  }
}
