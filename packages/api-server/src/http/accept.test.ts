import { describe, expect, it } from 'vitest';
import { negotiate, negotiateDiscovery } from './accept.ts';

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

describe('negotiation', () => {
  it.each([
    [undefined, 'json', 'none'],
    ['*/*', 'json', 'none'],
    ['application/json, */*;q=0.8', 'json', 'none'],
    ['application/yaml', 'yaml', 'none'],
    ['application/vnd.kubernetes.protobuf,application/json', 'json', 'none'],
    [`${TABLE},application/json`, 'json', 'Table'],
    ['application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json', 'json', 'none'],
  ])('%s', (header, format, transform) => expect(negotiate(header, ['Table'])).toEqual({ format, transform }));

  it('refuses what it cannot write', () => {
    for (const header of ['text/csv', 'application/vnd.kubernetes.protobuf']) {
      expect(() => negotiate(header, ['Table'])).toThrow(expect.objectContaining({ httpCode: 406 }));
    }
  });

  it('tells aggregated discovery from legacy', () => {
    const v2 = 'application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList';
    expect(negotiateDiscovery(`${v2},application/json`)).toBe('v2');
    expect(negotiateDiscovery('application/json')).toBeUndefined();
    expect(() => negotiateDiscovery(v2.replace('v=v2', 'v=v9'))).toThrow(expect.objectContaining({ httpCode: 406 }));
  });
});
