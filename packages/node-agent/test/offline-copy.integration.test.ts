import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyMarks, copyReportOf, hasCopyMarks, names, resources } from '@godwit/api';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { createManager } from '@godwit/reconcile';
import { afterEach, describe, expect, it } from 'vitest';
import { agentCaches } from '../src/caches.ts';
import { createOfflineCopier } from '../src/offline-copy/reconciler.ts';

const MIB = 2 ** 20;
const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

interface Rig extends AsyncDisposable {
  readonly client: KubeClient;
  /** An image of a claim of node n1's pool. */
  image(claim: string): string;
  claim(name: string, sizeMiB: number, mode?: 'Filesystem' | 'Block', path?: string): Promise<void>;
  order(target: string, source: string, id: string, bytes?: number): Promise<void>;
  get(name: string): Promise<Stored<PersistentVolumeClaim>>;
  until(name: string, what: string, holds: (pvc: Stored<PersistentVolumeClaim>) => boolean): Promise<void>;
  /** Another agent of this node; the one before it ends without a word. */
  restart(): Promise<void>;
}

async function rig(options: { inUse?: (path: string) => boolean } = {}): Promise<Rig> {
  const root = await mkdtemp(join(tmpdir(), 'gw-offline-'));
  directories.push(root);
  const pools = { nodePool: join(root, 'node'), sharedPool: join(root, 'shared') };
  await mkdir(pools.nodePool);
  const kube = createMemoryKube();
  const { client } = kube;
  const begin = async () => {
    const manager = createManager({ client, log: silentLogger, clock: systemClock });
    const { claims, volumes } = agentCaches(manager, 'n1');
    const io = { client, claims, volumes, inUse: options.inUse ?? (() => false) };
    const copier = createOfflineCopier({ nodeName: 'n1', pools }, { io, clock: systemClock, log: silentLogger });
    manager.add(copier);
    await manager.start();
    return async () => {
      await copier.stop();
      await manager.stop();
    };
  };
  let end = await begin();
  const image = (claim: string): string => join(pools.nodePool, claim, 'disk.img');
  const get = async (name: string): Promise<Stored<PersistentVolumeClaim>> => {
    const found = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, 'ns');
    if (!found) throw new Error(`claim ${name} is gone`);
    return found;
  };
  return {
    client,
    image,
    get,
    async claim(name, sizeMiB, mode = 'Filesystem', path = name) {
      const storage = `${sizeMiB}Mi`;
      if (mode === 'Filesystem') await mkdir(join(pools.nodePool, path), { recursive: true });
      const pv: PersistentVolume = {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: {
          name: `pv-${name}`,
          annotations: { 'godwit.dev/provisioned': 'true', 'godwit.dev/provision-node': 'n1' },
        },
        spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], volumeMode: mode, local: { path } },
      };
      const pvc: PersistentVolumeClaim = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name, namespace: 'ns' },
        spec: {
          volumeName: `pv-${name}`,
          accessModes: ['ReadWriteOnce'],
          volumeMode: mode,
          resources: { requests: { storage } },
        },
        status: { phase: 'Bound', capacity: { storage } },
      };
      // The casts are safe: both are whole objects.
      kube.seed(pv as unknown as KubeObject, pvc as unknown as KubeObject);
    },
    async order(target, source, id, bytes) {
      const size = bytes === undefined ? {} : { [copyMarks.bytes]: String(bytes) };
      const annotations = { [copyMarks.source]: source, [copyMarks.id]: id, [copyMarks.node]: 'n1', ...size };
      await client.patch(resources.persistentVolumeClaims, target, 'ns', {
        type: 'merge',
        patch: { metadata: { annotations } },
      });
    },
    async until(name, what, holds) {
      await waitFor(async () => holds(await get(name)), { what: `${name}: ${what}`, timeoutMs: 60_000 });
    },
    async restart() {
      await end();
      end = await begin();
    },
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}

/** A thin disk with data at its beginning and near its end. */
async function makeDisk(path: string, sizeMiB: number): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.truncate(sizeMiB * MIB);
    for (const offset of [0, sizeMiB - 2]) {
      const data = Buffer.alloc(MIB, `block at ${offset} `);
      await handle.write(data, 0, data.length, offset * MIB);
    }
  } finally {
    await handle.close();
  }
}

async function hashOf(path: string, bytes: number): Promise<string> {
  const content = await readFile(path);
  return createHash('sha256').update(content.subarray(0, bytes)).digest('hex');
}

const phaseOf = (pvc: PersistentVolumeClaim): string | undefined => copyReportOf(pvc)?.phase;

describe('the copy of a stopped VM’s volume', () => {
  it.each<['Filesystem' | 'Block', 'Filesystem' | 'Block']>([
    ['Filesystem', 'Filesystem'],
    ['Filesystem', 'Block'],
    ['Block', 'Filesystem'],
  ])(
    '[SLM 6.5.12] from %s to %s is identical, thin, as big as its claim, and leaves the source alone',
    async (from, to) => {
      await using node = await rig();
      await node.claim('old', 48, from, from === 'Block' ? 'old-dev' : 'old');
      await node.claim('new', 64, to, to === 'Block' ? 'new-dev' : 'new');
      const at = (claim: string, mode: string): string =>
        mode === 'Block' ? node.image(claim).replace(`${claim}/disk.img`, `${claim}-dev`) : node.image(claim);
      const [source, target] = [at('old', from), at('new', to)];
      await makeDisk(source, 48);
      await writeFile(target, 'what was there before');
      const before = await hashOf(source, 48 * MIB);
      await node.order('new', 'old', 'a');
      await node.until('new', 'copied', (pvc) => phaseOf(pvc) === 'Succeeded');
      expect(await hashOf(target, 48 * MIB)).toBe(before);
      expect(await hashOf(source, 48 * MIB)).toBe(before);
      const copied = await stat(target);
      expect(copied.size).toBe(64 * MIB);
      expect(copied.blocks * 512).toBeLessThan(8 * MIB);
    },
  );

  it('is refused for good, with both numbers, when the target is smaller', async () => {
    await using node = await rig();
    await node.claim('old', 48);
    await node.claim('new', 32);
    await makeDisk(node.image('old'), 48);
    await node.order('new', 'old', 'a');
    await node.until('new', 'refused', (pvc) => phaseOf(pvc) === 'Refused');
    const message = copyReportOf(await node.get('new'))?.message;
    expect(message).toContain(String(48 * MIB));
    expect(message).toContain(String(32 * MIB));
    await expect(access(node.image('new'))).rejects.toThrow();
  });

  it('of a disk that was moved to a bigger claim fits one of its own size, with everything that is on it', async () => {
    await using node = await rig();
    await node.claim('old', 48);
    await node.claim('new', 32);
    await makeDisk(node.image('old'), 32);
    const before = await hashOf(node.image('old'), 32 * MIB);
    await truncate(node.image('old'), 48 * MIB);
    await node.order('new', 'old', 'a', 32 * MIB);
    await node.until('new', 'copied', (pvc) => phaseOf(pvc) === 'Succeeded');
    expect(await hashOf(node.image('new'), 32 * MIB)).toBe(before);
    expect((await stat(node.image('new'))).size).toBe(32 * MIB);
  });

  it('leaves nothing behind: with data beyond the end of the target it is refused for good', async () => {
    await using node = await rig();
    await node.claim('old', 48);
    await node.claim('new', 32);
    await makeDisk(node.image('old'), 48);
    await writeFile(node.image('new'), 'as it was');
    await node.order('new', 'old', 'a', 32 * MIB);
    await node.until('new', 'refused', (pvc) => phaseOf(pvc) === 'Refused');
    expect(copyReportOf(await node.get('new'))?.message).toContain('beyond the end of the target');
    expect(await readFile(node.image('new'), 'utf8')).toBe('as it was');
  });

  it('is read back before it counts: a copy that differs never becomes the disk', async () => {
    await using node = await rig();
    await node.claim('old', 16);
    await node.claim('new', 16);
    await makeDisk(node.image('old'), 16);
    await writeFile(node.image('new'), 'as it was');
    // A qemu-img whose copies have one wrong byte, as a failing disk makes them.
    const programs = await mkdtemp(join(tmpdir(), 'gw-offline-'));
    directories.push(programs);
    const path = process.env['PATH'] ?? '';
    const script = `#!/bin/sh
PATH='${path}' qemu-img "$@" || exit
for last; do :; done
[ "$1" != convert ] || printf X | dd of="$last" bs=1 seek=4097 conv=notrunc 2>/dev/null
`;
    await writeFile(join(programs, 'qemu-img'), script, { mode: 0o700 });
    process.env['PATH'] = `${programs}:${path}`;
    try {
      await node.order('new', 'old', 'a');
      await node.until('new', 'failed', (pvc) => phaseOf(pvc) === 'Failed');
    } finally {
      process.env['PATH'] = path;
    }
    expect(copyReportOf(await node.get('new'))?.message).toContain('not identical');
    expect(await readFile(node.image('new'), 'utf8')).toBe('as it was');
  });

  it('fails, and may be tried again, while a guest has the source', async () => {
    await using node = await rig({ inUse: (path) => path.includes('/old/') });
    await node.claim('old', 16);
    await node.claim('new', 16);
    await makeDisk(node.image('old'), 16);
    await node.order('new', 'old', 'a');
    await node.until('new', 'failed', (pvc) => phaseOf(pvc) === 'Failed');
    expect(copyReportOf(await node.get('new'))?.message).toContain('running guest');
  });

  it('is made anew after the agent died in the middle', async () => {
    await using node = await rig();
    await node.claim('old', 16);
    await node.claim('new', 16);
    await makeDisk(node.image('old'), 16);
    await node.restart();
    // What a killed agent leaves: its word that it had begun, and part of a copy.
    await writeFile(`${node.image('new')}.populating`, Buffer.alloc(20 * MIB, 'x'));
    const annotations = { [copyMarks.reportId]: 'a', [copyMarks.phase]: 'Running' };
    await node.client.patch(resources.persistentVolumeClaims, 'new', 'ns', {
      type: 'merge',
      patch: {
        metadata: {
          annotations: { ...annotations, [copyMarks.source]: 'old', [copyMarks.id]: 'a', [copyMarks.node]: 'n1' },
        },
      },
    });
    await node.until('new', 'copied', (pvc) => phaseOf(pvc) === 'Succeeded');
    expect(await hashOf(node.image('new'), 16 * MIB)).toBe(await hashOf(node.image('old'), 16 * MIB));
  });

  it('is cleared away when it is taken back: the target stays as it was', async () => {
    await using node = await rig();
    await node.claim('old', 16);
    await node.claim('new', 16);
    await writeFile(node.image('new'), 'as it was');
    await writeFile(`${node.image('new')}.populating`, 'half');
    // Taken back while an agent worked on it, which is gone.
    const annotations = {
      [copyMarks.reportId]: 'a',
      [copyMarks.phase]: 'Running',
      [copyMarks.id]: 'a',
      [copyMarks.node]: 'n1',
    };
    await node.client.patch(resources.persistentVolumeClaims, 'new', 'ns', {
      type: 'merge',
      patch: { metadata: { annotations } },
    });
    await node.until('new', 'cleared', (pvc) => !hasCopyMarks(pvc));
    expect(await readFile(node.image('new'), 'utf8')).toBe('as it was');
    await expect(access(`${node.image('new')}.populating`)).rejects.toThrow();
    expect((await node.get('new')).metadata.annotations?.[names.selectedNodeAnnotation]).toBeUndefined();
  });

  it('stops in the middle when it is taken back, and says so by clearing its marks', async () => {
    await using node = await rig();
    await node.claim('old', 2048);
    await node.claim('new', 2048);
    // Full, so that the copy takes a while on every machine.
    const handle = await open(node.image('old'), 'w');
    for (let index = 0; index < 384; index += 1) await handle.write(Buffer.alloc(MIB, index + 1));
    await handle.close();
    await node.order('new', 'old', 'a');
    await node.until('new', 'begun', (pvc) => phaseOf(pvc) === 'Running');
    await node.client.patch(resources.persistentVolumeClaims, 'new', 'ns', {
      type: 'merge',
      patch: { metadata: { annotations: { [copyMarks.source]: null } } },
    });
    await node.until('new', 'cleared', (pvc) => !hasCopyMarks(pvc));
    await expect(access(`${node.image('new')}.populating`)).rejects.toThrow();
  });
});
