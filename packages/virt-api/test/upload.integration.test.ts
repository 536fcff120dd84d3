import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { names, resources } from '@godwit/api';
import type { DataVolume, PersistentVolumeClaim, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUploadRig } from './upload-rig.ts';
import type { UploadRig } from './upload-rig.ts';

const MIB = 2 ** 20;
const SYNC = '/v1beta1/upload';
const ASYNC = '/v1beta1/upload-async';
const FORCE_BIND = { [names.bindImmediatelyAnnotation]: '' };
const refused = (text: string): object => ({ message: expect.stringContaining(text) as string });

let rig: UploadRig;
/** What the disk of a guest is to hold. */
let raw: Buffer;
let qcow2: Buffer;

beforeAll(async () => {
  rig = await startUploadRig(300);
  raw = Buffer.concat([randomBytes(2 * MIB), Buffer.alloc(3 * MIB), randomBytes(MIB)]);
  const [from, to] = [join(rig.root, 'from.raw'), join(rig.root, 'to.qcow2')];
  writeFileSync(from, raw);
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', from, to]);
  qcow2 = readFileSync(to);
});
afterAll(() => rig[Symbol.asyncDispose]());

/** As virtctl makes it. */
function dataVolume(name: string, annotations: Record<string, string> = {}, storage: object = {}): Promise<DataVolume> {
  return rig.client.create<DataVolume>(resources.dataVolumes, {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name, namespace: 'default', annotations },
    spec: {
      source: { upload: {} },
      contentType: 'kubevirt',
      storage: { resources: { requests: { storage: '8Mi' } }, ...storage },
    },
  });
}

/** A claim that waits for an upload, and a token for it. */
async function waiting(name: string): Promise<string> {
  await dataVolume(name, {}, { storageClassName: 'shared' });
  await rig.ready(name);
  return rig.token(name);
}

async function expectImage(name: string): Promise<void> {
  const image = readFileSync(await rig.imageOf(name));
  expect(image.length).toBe(8 * MIB);
  expect(image.subarray(0, raw.length).equals(raw)).toBe(true);
}

async function marksOf(name: string): Promise<Record<string, string>> {
  return (await rig.claim(name))?.metadata.annotations ?? {};
}

describe('the exchange of virtctl image-upload', () => {
  it('fills a DataVolume, step by step', async () => {
    await dataVolume('dv', FORCE_BIND);
    await rig.phase('dv', 'UploadReady');
    expect(await marksOf('dv')).toMatchObject({
      [names.uploadTargetAnnotation]: '',
      [names.populationPhaseAnnotation]: 'Running',
      [names.populationReadyAnnotation]: 'true',
    });
    expect(await rig.proxyUrl()).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const token = await rig.token('dv');
    expect((await rig.send(ASYNC, { method: 'HEAD', token })).code).toBe(200);
    const headers = { 'content-type': 'application/octet-stream' };
    expect(await rig.send(ASYNC, { token, body: qcow2, headers })).toMatchObject({ code: 200, text: '' });
    const isDone = async (): Promise<boolean> => (await marksOf('dv'))[names.populationPhaseAnnotation] === 'Succeeded';
    await waitFor(isDone, { timeoutMs: 30_000, what: 'the claim to be filled' });
    await rig.phase('dv', 'Succeeded');
    await expectImage('dv');
  });

  it('fills a claim without a DataVolume, over HTTP/2', async () => {
    await rig.client.create<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: 'pvc',
        namespace: 'default',
        annotations: { ...FORCE_BIND, [names.uploadTargetAnnotation]: '', [names.contentTypeAnnotation]: 'kubevirt' },
      },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '8Mi' } } },
    });
    await rig.ready('pvc');
    const token = await rig.token('pvc');
    expect(await rig.send2(ASYNC, { method: 'HEAD', token })).toBe(200);
    expect(await rig.send2(SYNC, { token, body: raw })).toBe(200);
    expect(await marksOf('pvc')).toMatchObject({ [names.populationPhaseAnnotation]: 'Succeeded' });
    await expectImage('pvc');
  });

  it('is told that a claim of a class that waits for a consumer waits', async () => {
    await dataVolume('wffc');
    await rig.phase('wffc', 'WaitForFirstConsumer');
    const answer = await rig.send(SYNC, { token: await rig.token('wffc'), body: qcow2 });
    expect(answer).toMatchObject({ code: 503, text: expect.stringContaining('--force-bind') as string });
    expect(answer.headers['retry-after']).toBe('2');
  });
});

describe('an image', () => {
  it.each([
    ['packed, into a block volume', { storageClassName: 'block' }, SYNC, () => gzipSync(raw)],
    ['to the oldest path', { storageClassName: 'shared' }, '/v1alpha1/upload', () => raw],
  ])('%s', async (what, storage, path, body) => {
    const name = what.replaceAll(/\W+/g, '-');
    await dataVolume(name, {}, storage);
    await rig.ready(name);
    expect(await rig.send(path, { token: await rig.token(name), body: body() })).toMatchObject({ code: 200 });
    await expectImage(name);
  });

  it('of unknown length', async () => {
    const token = await waiting('chunked');
    expect(await rig.send(SYNC, { token, body: Readable.from([qcow2]) })).toMatchObject({ code: 200 });
    await expectImage('chunked');
  });

  it('in a form, as web pages send it', async () => {
    const token = await waiting('form');
    const body = Buffer.concat([
      Buffer.from('--x\r\nContent-Disposition: form-data; name="file"; filename="a.qcow2"\r\n\r\n'),
      qcow2,
      Buffer.from('\r\n--x--\r\n'),
    ]);
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    expect(await rig.send(SYNC, { token, body, headers })).toMatchObject({ code: 415 });
    expect(await rig.send('/v1beta1/upload-form', { token, body, headers })).toMatchObject({ code: 200 });
    await expectImage('form');
  });
});

describe('the claim waits for another upload', () => {
  it('after one that was too large, which is refused before it is sent, or as soon as it is too much', async () => {
    const token = await waiting('large');
    const much = Buffer.alloc(90 * MIB);
    expect(await rig.send(SYNC, { token, body: much })).toMatchObject({ code: 413 });
    const endless = Readable.from(Array.from({ length: 90 }, () => much.subarray(0, MIB)));
    expect(await rig.send(SYNC, { token, body: endless })).toMatchObject({ code: 413 });
    const disk = join(rig.root, 'large.qcow2');
    execFileSync('qemu-img', ['create', '-f', 'qcow2', disk, '16M']);
    for (const path of [SYNC, ASYNC])
      expect(await rig.send(path, { token, body: readFileSync(disk) })).toMatchObject({
        code: 413,
        text: expect.stringContaining('16777216 bytes') as string,
      });
    expect((await marksOf('large'))[names.populationMessageAnnotation]).toContain('16777216');
    expect(await rig.send(SYNC, { token, body: qcow2 })).toMatchObject({ code: 200 });
    await expectImage('large');
  });

  it('after one that was empty, or packed as nobody unpacks here', async () => {
    const token = await waiting('empty');
    expect(await rig.send(SYNC, { token, body: Buffer.alloc(0) })).toMatchObject({ code: 422 });
    const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]);
    expect(await rig.send(SYNC, { token, body: xz })).toMatchObject({
      code: 422,
      text: expect.stringContaining('unxz') as string,
    });
    expect(await rig.send(SYNC, { token, body: qcow2 })).toMatchObject({ code: 200 });
    await expectImage('empty');
  });

  it('after one that broke off', async () => {
    const token = await waiting('broken');
    const says = async (text: string): Promise<void> => {
      const isSaid = async (): Promise<boolean> =>
        (await marksOf('broken'))[names.populationMessageAnnotation]?.includes(text) === true;
      await waitFor(isSaid, { timeoutMs: 30_000, what: `the claim to say "${text}"` });
    };
    const half = Readable.from(
      (async function* () {
        yield raw.subarray(0, MIB);
        await says('Copying');
        throw new Error('the client is gone');
      })(),
    );
    await expect(rig.send(SYNC, { token, body: half, headers: { 'content-length': raw.length } })).rejects.toThrow();
    await says('broke off');
    await rig.phase('broken', 'UploadReady');
    expect(await rig.send(SYNC, { token, body: raw })).toMatchObject({ code: 200 });
    await expectImage('broken');
  });
});

describe('the proxy refuses', () => {
  it('who has no token, and tells no more', async () => {
    for (const token of [undefined, 'x', 'a.b.c']) {
      // Much more than fits into sockets, over a connection that is to close: the answer must not be lost.
      const body = Buffer.alloc(32 * MIB);
      const answer = await rig.send(SYNC, { ...(token !== undefined && { token }), body });
      expect([answer.code, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    }
  });

  it('a token of a claim that was made again since', async () => {
    const token = await waiting('again');
    await rig.client.delete(resources.dataVolumes, 'again', 'default');
    const isGone = async (): Promise<boolean> => (await rig.claim('again')) === undefined;
    await waitFor(isGone, { timeoutMs: 30_000, what: 'the claim to go' });
    expect((await rig.send(SYNC, { token, body: qcow2 })).code).toBe(404);
    await waiting('again');
    expect((await rig.send(SYNC, { token, body: qcow2 })).code).toBe(401);
    expect((await rig.send(SYNC, { token: await rig.token('again'), body: qcow2 })).code).toBe(200);
    const over = await rig.send(SYNC, { token: await rig.token('again'), body: qcow2 });
    expect(over).toMatchObject({ code: 409, text: expect.stringContaining('filled already') as string });
  });

  it('what is no upload', async () => {
    const token = await waiting('other');
    expect((await rig.send('/v1beta1/upload-archive', { token, body: qcow2 })).code).toBe(415);
    const headers = { 'x-cdi-content-type': 'filesystem-clone' };
    expect((await rig.send(SYNC, { token, body: qcow2, headers })).code).toBe(415);
    expect((await rig.send(SYNC, { method: 'GET', token })).code).toBe(405);
    expect((await rig.send(SYNC, { method: 'OPTIONS' })).headers['access-control-allow-origin']).toBe('*');
  });
});

describe('the API server refuses', () => {
  it('tokens to who may not create them, and for claims that are not there', async () => {
    await waiting('mine');
    await expect(rig.token('mine', await rig.clientAs('CN=eve'))).rejects.toMatchObject(refused('cannot create'));
    await expect(rig.token('nothing')).rejects.toMatchObject(refused('"nothing" not found'));
  });

  it('archives, and claims that a running guest has open', async () => {
    const archive = { source: { upload: {} }, contentType: 'archive' as const, storage: {} };
    const claim = (name: string, annotations: Record<string, string>): PersistentVolumeClaim => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: 'default', annotations },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '8Mi' } } },
    });
    const metadata = { name: 'tar', namespace: 'default' };
    const volume = { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', metadata, spec: archive };
    await expect(rig.client.create(resources.dataVolumes, volume)).rejects.toMatchObject(refused('archives'));
    const tar = claim('tar', { [names.uploadTargetAnnotation]: '', [names.contentTypeAnnotation]: 'archive' });
    await expect(rig.client.create(resources.persistentVolumeClaims, tar)).rejects.toMatchObject(refused('archives'));
    await rig.client.create(resources.persistentVolumeClaims, claim('used', {}));
    await rig.client.create<VirtualMachineInstance>(resources.virtualMachineInstances, {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstance',
      metadata: { name: 'guest', namespace: 'default' },
      spec: {
        nodeSelector: { nowhere: 'yes' },
        domain: { memory: { guest: '64Mi' }, devices: { disks: [{ name: 'd', disk: { bus: 'virtio' } }] } },
        volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'used' } }],
      },
    });
    const marked = {
      type: 'merge',
      patch: { metadata: { annotations: { [names.uploadTargetAnnotation]: '' } } },
    } as const;
    const running = { type: 'merge', patch: { status: { phase: 'Running' } } } as const;
    await rig.client.patch(resources.virtualMachineInstances, 'guest', 'default', running);
    await expect(rig.client.patch(resources.persistentVolumeClaims, 'used', 'default', marked)).rejects.toMatchObject(
      refused('disk of the running VM "guest"'),
    );
  });
});

it('is found by discovery', async () => {
  const list = await rig.client.request('GET', '/apis/upload.cdi.kubevirt.io/v1beta1');
  expect(list).toMatchObject({
    resources: [
      {
        name: 'uploadtokenrequests',
        kind: 'UploadTokenRequest',
        namespaced: true,
        verbs: ['create'],
        shortNames: ['utr', 'utrs'],
      },
    ],
  });
});
