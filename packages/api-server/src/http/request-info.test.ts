import { describe, expect, it } from 'vitest';
import { parseRequestInfo } from './request-info.ts';

function parse(method: string, url: string): unknown {
  const { pathname, searchParams } = new URL(url, 'https://x');
  return parseRequestInfo(method, pathname, searchParams);
}

describe('request info', () => {
  it.each([
    ['GET', '/api/v1/pods', { verb: 'list', group: '', plural: 'pods', namespace: '', name: '' }],
    ['GET', '/api/v1/pods/', { verb: 'list', plural: 'pods', name: '' }],
    ['GET', '/api/v1/namespaces', { verb: 'list', plural: 'namespaces', name: '' }],
    ['GET', '/api/v1/namespaces/a', { verb: 'get', plural: 'namespaces', name: 'a', namespace: 'a' }],
    [
      'PUT',
      '/api/v1/namespaces/a/finalize',
      { verb: 'update', plural: 'namespaces', name: 'a', subresource: 'finalize' },
    ],
    ['GET', '/api/v1/namespaces/a/pods', { verb: 'list', plural: 'pods', namespace: 'a', name: '' }],
    ['GET', '/api/v1/namespaces/a/pods/p?watch=1', { verb: 'get', name: 'p', isWatch: false }],
    ['GET', '/api/v1/namespaces/a/pods?watch=true', { verb: 'watch', isWatch: true }],
    ['GET', '/api/v1/watch/namespaces/a/pods', { verb: 'watch', isWatch: true, plural: 'pods', namespace: 'a' }],
    ['DELETE', '/apis/ex.io/v1/namespaces/t/widgets', { verb: 'deletecollection', group: 'ex.io', plural: 'widgets' }],
    ['PATCH', '/apis/ex.io/v1/namespaces/t/widgets/w/status', { verb: 'patch', name: 'w', subresource: 'status' }],
    [
      'GET',
      '/apis/s.io/v1/namespaces/t/vmis/v/portforward/22/tcp',
      { verb: 'get', name: 'v', segments: ['portforward', '22', 'tcp'] },
    ],
  ])('%s %s', (method, url, expected) => expect(parse(method, url)).toMatchObject({ type: 'resource', ...expected }));

  it.each([
    '/',
    '/version',
    '/api',
    '/api/v1',
    '/apis/ex.io',
    '/apis/ex.io/v1/',
    '/api/v1//pods',
    '/openapi/v3/api/v1',
  ])('%s is no resource', (url) =>
    expect(parse('GET', url)).toMatchObject({ type: 'nonResource', verb: 'get', path: url }),
  );
});
