import { describe, expect, it } from 'vitest';
import { parseFieldSelector } from './field-selector.ts';

const keys = ['metadata.name', 'status.phase', 'spec.nodeName'];
const get = (key: string): string => ({ 'metadata.name': 'a,b=c', 'status.phase': 'Running' })[key] ?? '';

describe('field selectors', () => {
  it.each([
    '',
    'status.phase=Running',
    'status.phase==Running',
    'status.phase!=Failed,spec.nodeName=',
    'metadata.name=a\\,b\\=c',
    ',status.phase=Running,',
  ])('%j matches', (text) => expect(parseFieldSelector(text, keys).matches(get)).toBe(true));
  it.each(['status.phase=Failed', 'status.phase!=Running', 'spec.nodeName!=', 'status.phase=Running,spec.nodeName=n1'])(
    '%j does not match',
    (text) => expect(parseFieldSelector(text, keys).matches(get)).toBe(false),
  );
  it('gives its requirements, for name look-ups', () => {
    expect(parseFieldSelector('metadata.name==x,status.phase!=y', keys).requirements).toEqual([
      { key: 'metadata.name', operator: '=', value: 'x' },
      { key: 'status.phase', operator: '!=', value: 'y' },
    ]);
  });
  it.each(['spec.unknown=x', 'metadata.name', '=x', 'metadata.name=a=b', 'metadata.name=a\\x'])('refuses %j', (text) =>
    expect(() => parseFieldSelector(text, keys)).toThrow(expect.objectContaining({ code: 'SELECTOR_INVALID' })),
  );
});
