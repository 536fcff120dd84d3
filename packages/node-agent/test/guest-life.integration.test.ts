import { existsSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { findCondition, isTrue, resources } from '@godwit/api';
import type { Lease, Node, PersistentVolume, PersistentVolumeClaim, Pod, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { boundClaim, createAgentHost, qemusBelow, scheduleGuest } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { offerBootImage } from './moving-guest.ts';
import type { NodeAgent } from '../src/index.ts';

const MIB = 2 ** 20;
const patience = { timeoutMs: 30_000 };

let host: AgentHost;
let agent: NodeAgent;

beforeAll(async () => {
  host = createAgentHost();
  await offerBootImage(host, 4 * MIB);
  agent = await host.start('n1');
});

afterAll(async () => {
  await agent.stop();
  host[Symbol.dispose]();
});

const get = {
  claim: (name: string) => host.client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, 'default'),
  volume: (name: string) => host.client.get<PersistentVolume>(resources.persistentVolumes, name),
  vmi: (name: string) => host.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, name, 'default'),
  pod: (name: string) => host.client.get<Pod>(resources.pods, name, 'default'),
};

async function populated(name: string): Promise<string> {
  return waitFor(
    async () => {
      const phase = (await get.claim(name))?.metadata.annotations?.['cdi.kubevirt.io/storage.pod.phase'];
      return phase === 'Succeeded' || phase === 'Failed' ? phase : undefined;
    },
    { ...patience, what: `claim ${name} to be filled` },
  );
}

async function running(name: string): Promise<void> {
  await waitFor(async () => (await get.vmi(name))?.status?.phase === 'Running', {
    ...patience,
    what: `${name} to run`,
  });
}

async function endpointPort(): Promise<number> {
  const node = await host.client.get<Node>(resources.nodes, 'n1');
  return node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
}

async function put(path: string, client = 'api', body?: Buffer): Promise<number> {
  const port = await endpointPort();
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, method: 'PUT', ...host.clientTls(client) }, (reply) => {
      reply.resume();
      reply.on('end', () => resolve(reply.statusCode ?? 0));
    });
    call.on('error', reject);
    call.end(body);
  });
}

const verb = (name: string, what: string, client?: string): Promise<number> =>
  put(`/v1/namespaces/default/virtualmachineinstances/${name}/${what}`, client);

async function openConsole(name: string): Promise<{ socket: WebSocket; text: () => string }> {
  const port = await endpointPort();
  const path = `/v1/namespaces/default/virtualmachineinstances/${name}/console`;
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, ['plain.kubevirt.io'], host.clientTls('api'));
  let received = '';
  socket.on('message', (data: Buffer) => {
    received += data.toString('latin1');
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return { socket, text: () => received };
}

describe('the node', () => {
  it('is registered, labelled, ready and leased', async () => {
    const node = await host.client.get<Node>(resources.nodes, 'n1');
    expect(node?.metadata.labels).toMatchObject({
      'kubernetes.io/hostname': 'n1',
      'godwit.dev/acceleration': 'tcg',
      'kubevirt.io/schedulable': 'true',
    });
    expect(isTrue(node?.status?.conditions, 'Ready')).toBe(true);
    expect(findCondition(node?.status?.conditions, 'Accelerated')?.reason).toBe('SoftwareEmulation');
    const lease = await host.client.get<Lease>(resources.leases, 'n1', 'kube-node-lease');
    expect(lease?.spec?.holderIdentity).toBe('n1');
  });
});

describe('a second agent of the node', () => {
  it('waits until the first has ended', async () => {
    let started = false;
    const second = host.start('n1').then((next) => {
      started = true;
      return next;
    });
    // An agent that does not wait is up in a fraction of this time.
    await setTimeout(1500);
    expect(started).toBe(false);
    await agent.stop();
    agent = await second;
  });
});

describe('volumes', () => {
  it('are made thin, filled from the catalogue and grown to the claim', async () => {
    host.seed(
      ...boundClaim(host, 'imported', { source: 'registry', endpoint: 'docker://example.org/boot:v1', size: '1Gi' }),
    );
    expect(await populated('imported')).toBe('Succeeded');
    const image = statSync(join(host.nodeDirectory('n1'), 'volumes', 'pv-imported', 'disk.img'));
    expect(image.size).toBe(1024 * MIB);
    expect(image.blocks * 512).toBeLessThan(16 * MIB);
  });

  it('refuse an image that is larger than the claim, with numbers', async () => {
    host.seed(...boundClaim(host, 'tiny', { source: 'registry', endpoint: 'docker://example.org/boot', size: '1Mi' }));
    expect(await populated('tiny')).toBe('Failed');
    const message = (await get.claim('tiny'))?.metadata.annotations?.[
      'cdi.kubevirt.io/storage.condition.running.message'
    ];
    expect(message).toContain('4194304');
    expect(message).toContain('1048576');
  });

  it('say what would help when an image is nowhere to be had', async () => {
    host.seed(...boundClaim(host, 'unknown', { source: 'registry', endpoint: 'docker://example.org/other' }));
    const marks = async () => (await get.claim('unknown'))?.metadata.annotations ?? {};
    const message = await waitFor(
      async () =>
        (await marks())['cdi.kubevirt.io/storage.condition.running.message']?.match(
          /.*godwit image add.*|.*skopeo.*/,
        )?.[0],
      { ...patience, what: 'the refusal' },
    );
    expect(message).toMatch(/godwit image add|skopeo/);
  });

  it('take an upload into a block volume', async () => {
    host.seed(...boundClaim(host, 'uploaded', { source: 'upload', mode: 'Block', size: '8Mi' }));
    const ready = async () =>
      (await get.claim('uploaded'))?.metadata.annotations?.['cdi.kubevirt.io/storage.pod.phase'];
    await waitFor(async () => (await ready()) === 'Running', { ...patience, what: 'the upload to be awaited' });
    const bytes = Buffer.alloc(4 * MIB, 7);
    const path = '/v1/upload/namespaces/default/persistentvolumeclaims/uploaded';
    expect(await put(path, 'nobody', bytes)).toBe(401);
    expect(await put(path, 'api', bytes)).toBe(200);
    expect(await populated('uploaded')).toBe('Succeeded');
    expect(statSync(join(host.nodeDirectory('n1'), 'volumes', 'pv-uploaded')).size).toBe(8 * MIB);
    expect(await put(path, 'api', bytes)).toBe(409);
  });

  it('are refused when the pool has not the room', async () => {
    host.seed(...boundClaim(host, 'huge', { size: '8Ei' }));
    const error = async () => (await get.volume('pv-huge'))?.metadata.annotations?.['godwit.dev/provision-error'];
    expect(await waitFor(error, { ...patience, what: 'the refusal' })).toContain(' free, ');
  });

  it('lose their bytes only when their PV is deleted', async () => {
    host.seed(...boundClaim(host, 'gone', { source: 'blank' }));
    expect(await populated('gone')).toBe('Succeeded');
    const path = join(host.nodeDirectory('n1'), 'volumes', 'pv-gone');
    expect(existsSync(join(path, 'disk.img'))).toBe(true);
    const status = { phase: 'Released' };
    await host.client.patch(resources.persistentVolumes, 'pv-gone', '', { type: 'merge', patch: { status } }, 'status');
    await waitFor(() => !existsSync(path), { ...patience, what: 'the bytes to go' });
  });
});

describe('a guest', () => {
  beforeAll(async () => {
    host.seed(...boundClaim(host, 'root', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }));
    await scheduleGuest(host, 'vm', 'root');
    await running('vm');
  });

  it('runs, and its VMI and pod say so', async () => {
    const vmi = await get.vmi('vm');
    expect(vmi?.status).toMatchObject({ phase: 'Running', nodeName: 'n1', migrationMethod: 'LiveMigration' });
    expect(isTrue(vmi?.status?.conditions, 'Ready')).toBe(true);
    expect(findCondition(vmi?.status?.conditions, 'LiveMigratable')).toMatchObject({
      status: 'False',
      reason: 'DisksNotLiveMigratable',
    });
    expect(vmi?.status?.volumeStatus?.[0]).toMatchObject({ name: 'rootdisk', target: 'vda', size: 64 * MIB });
    const pod = await get.pod('virt-launcher-vm');
    expect(pod?.status?.phase).toBe('Running');
    expect(isTrue(pod?.status?.conditions, 'Ready')).toBe(true);
  });

  it('has a console; the newest client wins and sees what was said before', async () => {
    const first = await openConsole('vm');
    await waitFor(() => /H \d+/.test(first.text()), { ...patience, what: 'a heartbeat' });
    const closed = new Promise((resolve) => {
      first.socket.once('close', resolve);
    });
    const second = await openConsole('vm');
    await closed;
    await waitFor(() => second.text().length >= first.text().length, { ...patience, what: 'the replay' });
    second.socket.terminate();
  });

  it('can be paused and resumed, and says so', async () => {
    const paused = async () => findCondition((await get.vmi('vm'))?.status?.conditions, 'Paused')?.reason;
    expect(await verb('vm', 'pause', 'nobody')).toBe(401);
    expect(await verb('vm', 'pause')).toBe(200);
    await waitFor(async () => (await paused()) === 'PausedByUser', { ...patience, what: 'the pause to show' });
    expect(await verb('vm', 'pause')).toBe(409);
    expect(await verb('vm', 'unpause')).toBe(200);
    await waitFor(async () => (await paused()) === undefined, { ...patience, what: 'the pause to end' });
    expect(await verb('nobody-there', 'pause')).toBe(404);
  });

  it('survives its agent and is adopted by the next one', async () => {
    const [pid] = qemusBelow(host.root);
    await agent.stop();
    expect(qemusBelow(host.root)).toEqual([pid]);
    agent = await host.start('n1');
    const { socket, text } = await openConsole('vm');
    await waitFor(() => /H \d+/.test(text()), { ...patience, what: 'a heartbeat' });
    socket.terminate();
    expect(qemusBelow(host.root)).toEqual([pid]);
  });

  it('keeps its volume while it runs, even when somebody deletes the PV', async () => {
    await host.client.delete(resources.persistentVolumes, 'pv-root');
    const image = join(host.nodeDirectory('n1'), 'volumes', 'pv-root', 'disk.img');
    expect(existsSync(image)).toBe(true);
  });

  it('is ended with its pod: asked first, killed when its grace is over', async () => {
    await host.client.delete(resources.pods, 'virt-launcher-vm', 'default');
    await waitFor(async () => (await get.pod('virt-launcher-vm')) === undefined, {
      ...patience,
      what: 'the pod to go',
    });
    expect(qemusBelow(host.root)).toEqual([]);
    const volume = join(host.nodeDirectory('n1'), 'volumes', 'pv-root');
    await waitFor(() => !existsSync(volume), { ...patience, what: 'the deleted PV to let its bytes go' });
  });

  it('that crashes fails its pod', async () => {
    host.seed(
      ...boundClaim(host, 'root2', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }),
    );
    await scheduleGuest(host, 'vm2', 'root2');
    await running('vm2');
    const [pid] = qemusBelow(host.root);
    process.kill(pid ?? 0, 'SIGKILL');
    await waitFor(async () => (await get.pod('virt-launcher-vm2'))?.status?.phase === 'Failed', {
      ...patience,
      what: 'the failure',
    });
    expect((await get.pod('virt-launcher-vm2'))?.status?.reason).toBe('GuestCrashed');
  });

  it('boots from a container disk, with a seed and an empty disk of its own', async () => {
    await scheduleGuest(host, 'vm4', '', 'n1', {
      domain: {
        memory: { guest: '32Mi' },
        machine: { type: 'pc' },
        devices: { disks: [{ name: 'rootdisk', disk: {} }] },
      },
      volumes: [
        { name: 'rootdisk', containerDisk: { image: 'example.org/boot:latest' } },
        { name: 'scratch', emptyDisk: { capacity: '8Mi' } },
        { name: 'seed', cloudInitNoCloud: { userData: '#cloud-config', networkData: 'version: 2' } },
      ],
    });
    await running('vm4');
    const vmi = await get.vmi('vm4');
    expect(vmi?.status?.migrationMethod).toBe('BlockMigration');
    expect(isTrue(vmi?.status?.conditions, 'LiveMigratable')).toBe(true);
    const { socket, text } = await openConsole('vm4');
    await waitFor(() => /W \d+/.test(text()), { ...patience, what: 'a write to its overlay' });
    socket.terminate();
    const directory = join(host.nodeDirectory('n1'), 'vms', (await get.pod('virt-launcher-vm4'))?.metadata.uid ?? '');
    // Volume identifier of the ISO 9660 primary volume descriptor.
    expect(readFileSync(join(directory, 'seed.iso')).subarray(32_808, 32_814).toString()).toBe('cidata');
    expect(statSync(join(directory, 'scratch.img')).size).toBe(8 * MIB);
    await host.client.delete(resources.pods, 'virt-launcher-vm4', 'default', { gracePeriodSeconds: 0 });
    await waitFor(() => !existsSync(directory), { ...patience, what: 'its files to go' });
  });

  it('deleted by force keeps its pod until QEMU is gone, whether an agent is there or not', async () => {
    host.seed(
      ...boundClaim(host, 'root5', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }),
    );
    await scheduleGuest(host, 'vm5', 'root5');
    await running('vm5');
    const uid = (await get.pod('virt-launcher-vm5'))?.metadata.uid ?? '';
    await agent.stop();
    await host.client.delete(resources.pods, 'virt-launcher-vm5', 'default', { gracePeriodSeconds: 0 });
    const alone = await get.pod('virt-launcher-vm5');
    expect(alone?.metadata).toMatchObject({ uid, deletionGracePeriodSeconds: 0, finalizers: ['godwit.dev/qemu'] });
    expect(qemusBelow(host.root)).toHaveLength(1);
    // The pod must never be missed while its QEMU is there.
    const gone = new AbortController();
    const whenGone = new Promise<readonly number[]>((resolve) => {
      host.client.watch<Pod>(resources.pods, {
        signal: gone.signal,
        onEvent({ type, object }) {
          if (type === 'DELETED' && object.metadata.uid === uid) resolve(qemusBelow(host.root));
        },
      });
    });
    agent = await host.start('n1');
    expect(await whenGone).toEqual([]);
    gone.abort();
  });

  it('that ended together with its agent gives its pod free', async () => {
    host.seed(
      ...boundClaim(host, 'root6', { source: 'registry', endpoint: 'docker://example.org/boot', size: '64Mi' }),
    );
    await scheduleGuest(host, 'vm6', 'root6');
    await running('vm6');
    await agent.stop();
    for (const pid of qemusBelow(host.root)) process.kill(pid, 'SIGKILL');
    await waitFor(() => qemusBelow(host.root).length === 0, { ...patience, what: 'QEMU to be gone' });
    agent = await host.start('n1');
    const finalizers = async () => (await get.pod('virt-launcher-vm6'))?.metadata.finalizers ?? [];
    await waitFor(async () => (await finalizers()).length === 0, { ...patience, what: 'the finalizer to be removed' });
    expect((await get.pod('virt-launcher-vm6'))?.status?.phase).toBe('Failed');
  });

  it('waits for its volumes and says for which', async () => {
    await scheduleGuest(host, 'vm3', 'missing');
    const ready = async () => findCondition((await get.pod('virt-launcher-vm3'))?.status?.conditions, 'Ready');
    expect(await waitFor(async () => (await ready())?.message, { ...patience, what: 'the reason' })).toContain(
      'missing',
    );
  });
});
