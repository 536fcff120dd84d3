import { describe, expect, it } from 'vitest';
import { decodeKubeProtobuf } from './decode.ts';
import { ProtobufError } from './errors.ts';

/** A small encoder, so that every test spells out field numbers and what lies on the wire. */
const varint = (value: bigint): number[] => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
};
const int = (field: number, value: number): number[] => [...varint(BigInt(field << 3)), ...varint(BigInt(value))];
const bytes = (field: number, value: readonly number[]): number[] => [
  ...varint(BigInt((field << 3) | 2)),
  ...varint(BigInt(value.length)),
  ...value,
];
const text = (field: number, value: string): number[] => bytes(field, [...Buffer.from(value)]);
const message = (field: number, ...parts: number[][]): number[] => bytes(field, parts.flat());
const entry = (field: number, key: string, value: number[]): number[] => message(field, text(1, key), value);

const envelope = (apiVersion: string, kind: string, ...parts: number[][]): Uint8Array =>
  Uint8Array.from([
    ...Buffer.from('k8s\0'),
    ...message(1, text(1, apiVersion), text(2, kind)),
    ...message(2, ...parts),
    ...text(3, ''),
    ...text(4, ''),
  ]);

/** Metadata as Go writes it: every plain string is there, and an empty creation time. */
const metadata = (name: string, ...more: number[][]): number[] =>
  message(
    1,
    text(1, name),
    text(2, ''),
    text(3, ''),
    text(4, ''),
    text(5, ''),
    text(6, ''),
    int(7, 0),
    message(8),
    ...more,
  );

describe('Kubernetes protobuf', () => {
  it('reads a config map and leaves zero values out', () => {
    const body = envelope(
      'v1',
      'ConfigMap',
      metadata('cm', entry(11, 'app', text(2, 'x'))),
      entry(2, 'a', text(2, '1')),
      entry(2, 'empty', text(2, '')),
    );
    expect(decodeKubeProtobuf(body)).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'cm', labels: { app: 'x' } },
        data: { a: '1', empty: '' },
      },
    });
  });

  it('reads bytes as base64', () => {
    const body = envelope('v1', 'Secret', metadata('s'), entry(2, 'k', bytes(2, [0, 255])), text(3, 'Opaque'));
    expect(decodeKubeProtobuf(body).object).toMatchObject({ data: { k: 'AP8=' }, type: 'Opaque' });
  });

  it('reads times, micro times and pointers to zero', () => {
    const time = (field: number): number[] => message(field, int(1, 1_704_067_200), int(2, 1_500_000));
    const spec = message(2, text(1, 'me'), int(2, 0), time(3), time(4));
    const body = envelope('coordination.k8s.io/v1', 'Lease', metadata('l', time(9)), spec);
    expect(decodeKubeProtobuf(body).object).toMatchObject({
      metadata: { deletionTimestamp: '2024-01-01T00:00:00Z' },
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 0,
        acquireTime: '2024-01-01T00:00:00.001500Z',
        renewTime: '2024-01-01T00:00:00.001500Z',
      },
    });
  });

  it('reads quantities, integers or strings, inlined messages and lists', () => {
    const resources = message(8, entry(2, 'memory', message(2, text(1, '1Gi'))));
    const probe = message(
      10,
      message(1, message(2, text(1, '/'), message(2, int(1, 1), int(2, 0), text(3, 'http')))),
      int(2, 0),
    );
    const container = message(
      2,
      text(1, 'c'),
      text(2, 'img'),
      text(3, 'run'),
      text(3, ''),
      text(5, ''),
      resources,
      probe,
      int(16, 0),
    );
    const volume = message(1, text(1, 'v'), message(2, message(10, text(1, 'claim'), int(2, 0))));
    const body = envelope(
      'v1',
      'Pod',
      metadata('p'),
      message(2, volume, container, int(4, 0), int(11, 0)),
      message(3, text(1, '')),
    );
    expect(decodeKubeProtobuf(body).object).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      spec: {
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim' } }],
        containers: [
          {
            name: 'c',
            image: 'img',
            command: ['run', ''],
            resources: { requests: { memory: '1Gi' } },
            livenessProbe: { httpGet: { path: '/', port: 'http' } },
          },
        ],
        terminationGracePeriodSeconds: 0,
      },
      status: {},
    });
  });

  it('reads negative and packed integers', () => {
    const context = message(14, [...bytes(4, [...varint(1n), ...varint(300n)])], int(2, -1));
    const body = envelope('v1', 'Pod', metadata('p'), message(2, context));
    expect(decodeKubeProtobuf(body).object).toMatchObject({
      spec: { securityContext: { supplementalGroups: [1, 300], runAsUser: -1 } },
    });
  });

  it('reads lists as map values, and booleans that JSON always has', () => {
    const extra = entry(5, 'scopes', message(2, text(1, 'a'), text(1, 'b')));
    const body = envelope(
      'authorization.k8s.io/v1',
      'SubjectAccessReview',
      metadata(''),
      message(2, text(3, 'u'), extra),
      message(3, int(1, 0)),
    );
    expect(decodeKubeProtobuf(body).object).toMatchObject({
      metadata: {},
      spec: { user: 'u', extra: { scopes: ['a', 'b'] } },
      status: { allowed: false },
    });
  });

  it.each(['v1', 'apps/v1', 'kubevirt.io/v1'])('reads delete options of %s', (apiVersion) => {
    const body = envelope(apiVersion, 'DeleteOptions', int(1, 0), message(2, text(1, 'uid-1')), text(4, 'Foreground'));
    expect(decodeKubeProtobuf(body).object).toEqual({
      apiVersion,
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      preconditions: { uid: 'uid-1' },
      propagationPolicy: 'Foreground',
    });
  });

  it('reads schemas inside custom resource definitions', () => {
    const replicas = message(2, text(5, 'integer'), message(8, text(1, '1')), [0x59, ...Buffer.alloc(8)]);
    const list = message(2, text(5, 'array'), message(24, message(1, text(5, 'string'))));
    const free = message(2, text(5, 'object'), message(30, int(1, 1)));
    const schema = message(
      1,
      text(5, 'object'),
      entry(29, 'replicas', replicas),
      entry(29, 'list', list),
      entry(29, 'free', free),
      text(23, 'list'),
    );
    const version = message(7, text(1, 'v1'), int(2, 1), int(3, 0), message(4, schema), message(5, message(1)));
    const body = envelope(
      'apiextensions.k8s.io/v1',
      'CustomResourceDefinition',
      metadata('w'),
      message(2, text(1, 'ex.io'), version),
    );
    expect(decodeKubeProtobuf(body).object).toMatchObject({
      spec: {
        group: 'ex.io',
        versions: [
          {
            name: 'v1',
            served: true,
            storage: false,
            subresources: { status: {} },
            schema: {
              openAPIV3Schema: {
                type: 'object',
                required: ['list'],
                properties: {
                  replicas: { type: 'integer', default: 1, minimum: 0 },
                  list: { type: 'array', items: { type: 'string' } },
                  free: { type: 'object', additionalProperties: true },
                },
              },
            },
          },
        ],
      },
    });
  });

  it('ignores fields of newer versions', () => {
    const body = envelope('v1', 'Namespace', metadata('n'), text(999, 'new'), int(1000, 7));
    expect(decodeKubeProtobuf(body).object).toEqual({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } });
  });

  it.each<[string, Uint8Array, string]>([
    ['JSON', Buffer.from('{"kind":"Pod"}'), 'PROTOBUF_INVALID'],
    ['nothing', new Uint8Array(), 'PROTOBUF_INVALID'],
    ['half a message', envelope('v1', 'ConfigMap', metadata('cm')).subarray(0, 30), 'PROTOBUF_INVALID'],
    ['a field cut short', envelope('v1', 'ConfigMap', [0x0a, 0x20, 0x01]), 'PROTOBUF_INVALID'],
    ['a number where a message belongs', envelope('v1', 'ConfigMap', int(1, 5)), 'PROTOBUF_INVALID'],
    ['text that is not UTF-8', envelope('v1', 'ConfigMap', message(1, bytes(1, [0xff]))), 'PROTOBUF_INVALID'],
    ['a group', envelope('v1', 'ConfigMap', [0x0b]), 'PROTOBUF_INVALID'],
    ['a custom resource', envelope('kubevirt.io/v1', 'VirtualMachine'), 'PROTOBUF_KIND_UNKNOWN'],
    ['another version', envelope('batch/v1beta1', 'CronJob'), 'PROTOBUF_KIND_UNKNOWN'],
  ])('refuses %s', (_name, body, code) => {
    expect(() => decodeKubeProtobuf(body)).toThrow(ProtobufError);
    expect(() => decodeKubeProtobuf(body)).toThrow(expect.objectContaining({ code }));
  });
});
