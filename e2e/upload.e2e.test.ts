import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { names, resources } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim, VirtualMachineInstance } from '@godwit/api';
import { buildGuestImage, defaultCacheDirectory } from '@godwit/guest';
import type { KubeClient } from '@godwit/kube-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../apps/cli/src/local/layout.ts';
import { down, up } from '../apps/cli/src/local/lifecycle.ts';
import { eventually } from './support/eventually.ts';
import { godwit, run, said } from './support/tools.ts';

describe('godwit upload', () => {
  let directory: string;
  let image: string;
  let client: KubeClient;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'godwit-e2e-'));
    image = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
    const clusters = await up({ dir: directory, clusters: ['alpha'], nodes: 2, readyTimeoutMs: 240_000 });
    client = await clusters.client('alpha');
  });
  afterAll(async () => {
    client?.close();
    await down(directory, true);
    await rm(directory, { recursive: true, force: true });
  });

  const upload = (...parameters: string[]) => godwit(directory, 'upload', ...parameters, '--wait', '240');

  async function pathOf(name: string): Promise<string> {
    const claim = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, 'default');
    const volume = await client.get<PersistentVolume>(resources.persistentVolumes, claim?.spec.volumeName ?? '');
    const { annotations = {} } = volume?.metadata ?? {};
    const cluster = layoutOf(directory).cluster('alpha');
    const node = annotations[names.selectedNodeAnnotation] ?? annotations[names.provisionNodeAnnotation] ?? '';
    const pool = annotations[names.poolAnnotation] === 'shared' ? cluster.shared : join(cluster.node(node), 'volumes');
    const path = resolve(pool, volume?.spec.local?.path ?? '');
    return volume?.spec.volumeMode === 'Block' ? path : join(path, 'disk.img');
  }

  async function expectSame(name: string): Promise<void> {
    // Not strict: a claim is larger than the disk in the image, and zero behind it.
    const compared = await run('qemu-img', ['compare', '-f', 'raw', await pathOf(name), image]);
    expect(compared.status, said(compared)).toBe(0);
  }

  it('fills a new DataVolume with the very bytes of an image', async () => {
    const done = await upload('disk', '--image', image, '--size', '1Gi');
    expect(done.status, said(done)).toBe(0);
    expect(done.stdout).toContain('DataVolume default/disk of 1Gi is made');
    expect(done.stdout).toContain('Uploading into default/disk');
    await expectSame('disk');
  });

  it('does so on shared block storage, of the size of the disk, from a packed image', async () => {
    const packed = join(directory, 'packed.gz');
    const made = await run('sh', ['-c', 'gzip -1 -c "$1" > "$2"', 'sh', image, packed]);
    expect(made.status, said(made)).toBe(0);
    const sizeless = await upload('block', '--image', packed, '--storage-class', 'block');
    expect([sizeless.status, sizeless.stderr]).toEqual([1, expect.stringContaining('give a --size') as string]);
    const done = await upload('block', '--image', packed, '--size', '1Gi', '--storage-class', 'block');
    expect(done.status, said(done)).toBe(0);
    await expectSame('block');
  });

  it('says what stands in its way, and how to get round it', async () => {
    const again = await upload('disk', '--image', image);
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('choose another name') as string]);
    const small = await upload('small', '--image', image, '--size', '1Mi');
    expect([small.status, small.stderr]).toEqual([1, expect.stringContaining('or more') as string]);
    const classless = await upload('nowhere', '--image', image, '--storage-class', 'none');
    expect([classless.status, classless.stderr]).toEqual([1, expect.stringContaining('there are: ') as string]);
    expect(await client.get(resources.dataVolumes, 'nowhere', 'default')).toBeUndefined();
  });

  it('makes a disk that a VM boots from', async () => {
    await client.create(resources.virtualMachines, {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachine',
      metadata: { name: 'uploaded', namespace: 'default' },
      spec: {
        runStrategy: 'Always',
        template: {
          spec: {
            domain: { memory: { guest: '128Mi' }, devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] } },
            volumes: [{ name: 'root', dataVolume: { name: 'disk' } }],
          },
        },
      },
    });
    const phase = async (): Promise<boolean> => {
      const vmi = await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'uploaded', 'default');
      return vmi?.status?.phase === 'Running';
    };
    await eventually('the VM to run', phase, 240_000);
    const marked = {
      type: 'merge',
      patch: { metadata: { annotations: { [names.uploadTargetAnnotation]: null } } },
    } as const;
    await client.patch(resources.persistentVolumeClaims, 'disk', 'default', marked);
    const target = {
      type: 'merge',
      patch: { metadata: { annotations: { [names.uploadTargetAnnotation]: '' } } },
    } as const;
    await expect(client.patch(resources.persistentVolumeClaims, 'disk', 'default', target)).rejects.toThrow(
      'disk of the running VM "uploaded"',
    );
  });
});
