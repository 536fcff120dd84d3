import type { DataVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import type { UploadOptions } from './command.ts';
import { attemptsFor } from './deliver.ts';
import { diskBytesOf } from './image-file.ts';
import { copyingLine, sendingLine } from './render.ts';
import { planTarget } from './target.ts';
import type { SeenTarget } from './target.ts';

const MIB = 2 ** 20;
const options: UploadOptions = { image: 'a.qcow2', namespace: 'ns', dir: '/d', wait: 1 };
const image = { path: 'a.qcow2', lengthBytes: 5 * MIB, diskBytes: 100 * MIB + 1 };
const nothing: SeenTarget = { dataVolume: undefined, claim: undefined };
const stored = {
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  namespace: 'ns',
  name: 'd',
};

function dataVolume(
  source: DataVolume['spec']['source'] & object,
  phase?: 'UploadReady' | 'Succeeded',
): Stored<DataVolume> {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: stored,
    spec: { source },
    ...(phase !== undefined && { status: { phase } }),
  };
}

function claim(annotations: Record<string, string>, storage = '1Gi'): Stored<PersistentVolumeClaim> {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { ...stored, annotations },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  };
}
const TARGET = { 'cdi.kubevirt.io/storage.upload.target': '' };
const upload = dataVolume({ upload: {} }, 'UploadReady');

describe('what is filled', () => {
  it('is made as asked, and bound at once', () => {
    const asked: UploadOptions = {
      ...options,
      size: '10Gi',
      storageClass: 'block',
      accessMode: 'ReadWriteMany',
      volumeMode: 'block',
    };
    expect(planTarget('d', asked, image, nothing)).toMatchObject({
      do: 'create',
      dataVolume: {
        metadata: {
          name: 'd',
          namespace: 'ns',
          annotations: { 'cdi.kubevirt.io/storage.bind.immediate.requested': '' },
        },
        spec: {
          source: { upload: {} },
          storage: {
            resources: { requests: { storage: '10Gi' } },
            storageClassName: 'block',
            accessModes: ['ReadWriteMany'],
            volumeMode: 'Block',
          },
        },
      },
    });
  });

  it('has the size of the disk in the image, in whole mebibytes, when none is given', () => {
    expect(planTarget('d', options, image, nothing)).toMatchObject({
      dataVolume: { spec: { storage: { resources: { requests: { storage: '101Mi' } } } } },
    });
  });

  it.each([
    ['a DataVolume that waits', { dataVolume: upload, claim: undefined }],
    ['its claim', { dataVolume: upload, claim: claim(TARGET) }],
    ['a claim of its own', { dataVolume: undefined, claim: claim(TARGET) }],
  ])('may be there already: %s', (_, seen) => {
    expect(planTarget('d', options, image, seen)).toEqual({ do: 'use' });
  });

  it.each([
    ['filled', { dataVolume: dataVolume({ upload: {} }, 'Succeeded'), claim: undefined }, /filled already; choose/],
    ['of another source', { dataVolume: dataVolume({ blank: {} }), claim: undefined }, /another source; choose/],
    ['no target of uploads', { dataVolume: undefined, claim: claim({}) }, /does not ask for an upload; choose/],
    ['too small', { dataVolume: upload, claim: claim(TARGET, '1Mi') }, /--size 101Mi or more/],
  ])('is refused with a way out when it is %s', (_, seen, message) => {
    expect(() => planTarget('d', options, image, seen)).toThrow(message);
  });

  it('needs a size that fits', () => {
    expect(() => planTarget('d', { ...options, size: '1Mi' }, image, nothing)).toThrow(/--size 101Mi or more/);
    expect(() => planTarget('d', options, { ...image, diskBytes: undefined }, nothing)).toThrow(/give a --size/);
    expect(() => planTarget('d', { ...options, size: 'much' }, image, nothing)).toThrow(/not a Kubernetes quantity/);
  });
});

it('reads the size of a disk off its image', () => {
  const qcow2 = Buffer.alloc(32);
  qcow2.write('QFI\xfb', 'latin1');
  qcow2.writeBigUInt64BE(2n ** 33n, 24);
  expect(diskBytesOf(qcow2, 7)).toBe(2 ** 33);
  expect(diskBytesOf(Buffer.alloc(32), 7)).toBe(7);
  expect(diskBytesOf(Buffer.from([0x1f, 0x8b, ...Array(30).fill(0)] as number[]), 7)).toBeUndefined();
});

it('is tried again as long as that may help', () => {
  const answered = (code: number) => ({ is: 'answered', code, text: '' }) as const;
  const broken = { is: 'broken', whole: false, error: new Error('gone') } as const;
  expect([401, 409, 413, 415, 422].map((code) => attemptsFor(answered(code)))).toEqual([1, 1, 1, 1, 1]);
  expect([400, 500].map((code) => attemptsFor(answered(code)))).toEqual([3, 3]);
  expect([answered(503), broken].map(attemptsFor)).toEqual([60, 60]);
});

it('says how far it is', () => {
  expect(sendingLine('ns/d', 50 * MIB, 200 * MIB, 1000)).toBe(
    'Uploading into ns/d: 50 MiB of 200 MiB (25 %, 50 MiB/s)',
  );
  expect(sendingLine('ns/d', 0, 200 * MIB, 1)).toBe('Uploading into ns/d: 0 MiB of 200 MiB (0 %)');
  expect(copyingLine('ns/d', '85.0%')).toBe('The image has arrived; filling ns/d (85.0%)');
});
