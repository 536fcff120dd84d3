import { describe, expect, it } from 'vitest';
import { matchReference, parseReference } from './reference.ts';

describe('image references', () => {
  it.each([
    ['docker://quay.io/a/b:v1', 'quay.io/a/b', 'v1'],
    ['localhost:5000/a', 'localhost:5000/a', undefined],
    ['localhost:5000/a:v2', 'localhost:5000/a', 'v2'],
    ['a/b:v1@sha256:00', 'a/b', 'sha256:00'],
  ])('reads %s', (text, repository, version) => expect(parseReference(text)).toEqual({ repository, version }));

  const entries = new Map([
    ['quay.io/a/b', 'any'],
    ['quay.io/a/b:v2', 'two'],
    ['quay.io/a/c:v1', 'only one'],
    ['https://example.org/x.img', 'file'],
  ]);
  it.each([
    ['docker://quay.io/a/b', 'any'],
    ['quay.io/a/b:v9', 'any'],
    ['docker://quay.io/a/b:v2', 'two'],
    ['quay.io/a/c:v2', undefined],
    ['https://example.org/x.img', 'file'],
    ['https://example.org/y.img', undefined],
  ])('finds the entry for %s', (wanted, entry) => expect(matchReference(entries, wanted)).toBe(entry));
});
