import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { knowProcessor } from '../src/host/processor.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gw-cpu-'));
  await writeFile(join(root, 'qemu'), '', { mode: 0o755 });
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

it('asks QEMU once for all agents and until the host boots again, and goes on without an answer', async () => {
  let asked = 0;
  let answers = true;
  const know = (node: string, bootId: string) =>
    knowProcessor(
      { qemuBinary: join(root, 'qemu'), directory: join(root, node), cacheDirectory: join(root, 'cache') },
      {
        bootId,
        searchPath: '',
        acceleration: 'tcg',
        log: silentLogger,
        async probe() {
          asked += 1;
          if (!answers) throw new Error('no QEMU');
          return { cpuModels: [`model-${asked}`], machineTypes: ['pc-q35-7.2'] };
        },
      },
    );
  expect(await know('n1', 'boot-1')).toEqual({ cpuModels: ['model-1'], machineTypes: ['pc-q35-7.2'] });
  expect((await know('n2', 'boot-1')).cpuModels).toEqual(['model-1']);
  expect((await know('n1', 'boot-2')).cpuModels).toEqual(['model-2']);
  answers = false;
  expect(await know('n1', 'boot-3')).toEqual({ cpuModels: [], machineTypes: [] });
  answers = true;
  expect((await know('n1', 'boot-3')).cpuModels).toEqual(['model-4']);
});
