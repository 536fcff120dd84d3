import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chooseAcceleration } from '../src/host/acceleration.ts';

let root: string;
let qemu: string;
let probes: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gw-accel-'));
  qemu = join(root, 'qemu');
  await writeFile(qemu, '', { mode: 0o755 });
  probes = [];
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

function choose(node: string, change: { bootId?: string; shared?: boolean; acceleration?: 'auto' | 'kvm' } = {}) {
  const { bootId = 'boot-1', shared = true, acceleration = 'auto' } = change;
  return chooseAcceleration(
    {
      acceleration,
      qemuBinary: qemu,
      directory: join(root, node),
      ...(shared && { cacheDirectory: join(root, 'cache') }),
    },
    {
      bootId,
      searchPath: '',
      async probe() {
        probes.push(node);
        await new Promise((resolve) => setImmediate(resolve));
        return { acceleration: 'kvm', reason: `found by ${node}` };
      },
    },
  );
}

test('of several agents that start at once one probes, and all take its answer', async () => {
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map((node) => choose(node)));
  expect(probes).toHaveLength(1);
  expect(answers).toEqual(Array(4).fill({ acceleration: 'kvm', reason: `found by ${probes[0]}` }));
  expect((await readdir(join(root, 'cache'))).filter((name) => !name.endsWith('.json'))).toEqual([]);
});

test('the answer holds until the host reboots or QEMU changes', async () => {
  await choose('a');
  await choose('b');
  expect(probes).toEqual(['a']);
  await choose('c', { bootId: 'boot-2' });
  expect(probes).toEqual(['a', 'c']);
  await utimes(qemu, 1, 1);
  await choose('d');
  expect(probes).toEqual(['a', 'c', 'd']);
});

test('without a shared directory each node remembers for itself', async () => {
  await choose('a', { shared: false });
  await choose('a', { shared: false });
  await choose('b', { shared: false });
  expect(probes).toEqual(['a', 'b']);
});

test('an agent that died while it probed does not keep the others from it', async () => {
  await choose('a');
  const cache = join(root, 'cache');
  const [answer] = await readdir(cache);
  await rm(join(cache, `${answer}`));
  const claim = join(cache, `${answer}.probing`);
  await writeFile(claim, '');
  await utimes(claim, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
  expect(await choose('b')).toEqual({ acceleration: 'kvm', reason: 'found by b' });
  expect((await readdir(cache)).filter((name) => !name.endsWith('.json'))).toEqual([]);
});

test('a configured acceleration is taken without a probe', async () => {
  expect(await choose('a', { acceleration: 'kvm' })).toMatchObject({ acceleration: 'kvm' });
  expect(probes).toEqual([]);
});
