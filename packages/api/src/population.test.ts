import { describe, expect, it } from 'vitest';
import { isPopulated, populationKind } from './population.ts';

const SOURCE = 'cdi.kubevirt.io/storage.import.source';
const TARGET = 'cdi.kubevirt.io/storage.upload.target';
const PHASE = 'cdi.kubevirt.io/storage.pod.phase';
const claim = (annotations: Record<string, string>) => ({ metadata: { name: 'c', annotations } });

describe('what fills a claim', () => {
  it.each([
    ['nobody', {}, undefined],
    ['an import', { [SOURCE]: 'http' }, 'http'],
    ['an upload, by the mark of CDI, which is empty', { [TARGET]: '' }, 'upload'],
    ['an import that was asked for first', { [SOURCE]: 'registry', [TARGET]: '' }, 'registry'],
  ])('%s', (_, annotations, kind) => {
    expect(populationKind(claim(annotations))).toBe(kind);
  });

  it('is done only when it says so', () => {
    expect(isPopulated(claim({}))).toBe(true);
    expect(isPopulated(claim({ [TARGET]: '' }))).toBe(false);
    expect(isPopulated(claim({ [TARGET]: '', [PHASE]: 'Running' }))).toBe(false);
    expect(isPopulated(claim({ [TARGET]: '', [PHASE]: 'Succeeded' }))).toBe(true);
  });
});
