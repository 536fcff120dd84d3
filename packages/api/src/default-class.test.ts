import { describe, expect, it } from 'vitest';
import type { StorageClass } from './core-kinds.ts';
import { defaultClass } from './default-class.ts';
import { names } from './names.ts';

const marked = { [names.defaultClassAnnotation]: 'true' };
const at = (name: string, second: number, annotations?: Record<string, string>): StorageClass => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name,
    creationTimestamp: `2026-01-01T00:00:0${second}Z`,
    ...(annotations === undefined ? {} : { annotations }),
  },
  provisioner: 'p',
});

describe('the class used when none is named [SLM 1.8]', () => {
  it.each<[string, StorageClass[], string | undefined]>([
    ['none is marked', [at('a', 1), at('b', 2, { [names.defaultClassAnnotation]: 'false' })], undefined],
    ['the only one marked', [at('a', 9), at('b', 1, marked)], 'b'],
    ['the newest of several', [at('a', 1, marked), at('b', 3, marked), at('c', 2, marked)], 'b'],
    ['of equally old ones the first by name', [at('z', 1, marked), at('c', 2, marked), at('b', 2, marked)], 'b'],
  ])('%s', (_, classes, wanted) => {
    expect(defaultClass(classes)?.metadata.name).toBe(wanted);
    expect(defaultClass(classes.toReversed())?.metadata.name).toBe(wanted);
  });

  it('may be marked by another annotation', () =>
    expect(defaultClass([at('a', 1, marked), at('b', 1, { other: 'true' })], 'other')?.metadata.name).toBe('b'));
});
