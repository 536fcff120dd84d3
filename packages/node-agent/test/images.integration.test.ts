import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImageStore } from '../src/images/registry.ts';

describe('an image from a registry', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-images-'));
    for (const directory of ['layers', 'bin', 'content/disk', 'cache'])
      mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, 'layers/manifest.json'), JSON.stringify({ layers: [{ digest: 'sha256:layer' }] }));
    // Stands for the registry: copies what the test has prepared to `dir:TARGET`, the last argument.
    const skopeo = `#!/bin/sh\nfor last; do :; done\ncp -r '${join(root, 'layers')}' "\${last#dir:}"\n`;
    writeFileSync(join(root, 'bin/skopeo'), skopeo, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function pull(): Promise<string> {
    execFileSync('tar', ['-cf', join(root, 'layers/layer'), '-C', join(root, 'content'), 'disk']);
    const store = createImageStore({
      catalogue: join(root, 'none'),
      cache: join(root, 'cache'),
      searchPath: join(root, 'bin'),
    });
    return store.containerDisk('quay.io/a/b');
  }

  it('gives its disk', async () => {
    writeFileSync(join(root, 'content/disk/disk.img'), 'disk');
    expect(readFileSync(await pull(), 'utf8')).toBe('disk');
  });

  it('never gives a file of this host that it only points to', async () => {
    writeFileSync(join(root, 'secret'), 'key');
    symlinkSync(join(root, 'secret'), join(root, 'content/disk/disk.img'));
    await expect(pull()).rejects.toMatchObject({ code: 'IMAGE_UNAVAILABLE' });
  });
});
