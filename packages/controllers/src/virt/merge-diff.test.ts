import { describe, expect, it } from 'vitest';
import { mergeDiff } from './merge-diff.ts';

describe('merge patch between two states', () => {
  it.each([
    ['nothing changed', { a: 1, b: { c: [1] } }, { b: { c: [1] }, a: 1 }, undefined],
    ['a new member', {}, { a: 1 }, { a: 1 }],
    ['a member that is gone', { a: 1 }, {}, { a: null }],
    ['a nested member that is gone', { m: { x: '1', y: '2' } }, { m: { y: '2' } }, { m: { x: null } }],
    ['an object that is emptied', { m: { x: '1' } }, { m: {} }, { m: { x: null } }],
    ['arrays whole', { l: [1, 2] }, { l: [1] }, { l: [1] }],
    ['undefined counts as absent', { a: undefined }, {}, undefined],
  ])('%s', (_, before, after, patch) => expect(mergeDiff(before, after)).toEqual(patch));
});
