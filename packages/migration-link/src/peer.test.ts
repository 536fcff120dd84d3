import { describe, expect, it } from 'vitest';
import { migrationUri } from './identity.ts';
import { peerProblem } from './peer.ts';

const identity = { id: 'abc', namespace: 'default', name: 'vm1' };
const uri = migrationUri(identity, 'source');
const clientAuth = ['1.3.6.1.5.5.7.3.2'];

describe('identity of the peer', () => {
  it('is accepted when exact', () =>
    expect(peerProblem({ subjectaltname: `URI:${uri}`, ext_key_usage: clientAuth }, uri)).toBeUndefined());
  it.each([
    ['nobody', undefined],
    ['another role', { subjectaltname: `URI:${migrationUri(identity, 'target')}`, ext_key_usage: clientAuth }],
    [
      'another VM',
      { subjectaltname: `URI:${migrationUri({ ...identity, name: 'vm2' }, 'source')}`, ext_key_usage: clientAuth },
    ],
    [
      'another migration',
      { subjectaltname: `URI:${migrationUri({ ...identity, id: 'x' }, 'source')}`, ext_key_usage: clientAuth },
    ],
    ['a second name', { subjectaltname: `URI:${uri}, DNS:x`, ext_key_usage: clientAuth }],
    ['a server certificate', { subjectaltname: `URI:${uri}`, ext_key_usage: ['1.3.6.1.5.5.7.3.1'] }],
    ['no usage', { subjectaltname: `URI:${uri}` }],
  ])('is refused for %s', (_, certificate) => expect(peerProblem(certificate, uri)).toBeTypeOf('string'));
  it.each(['a/b', '', 'a,b', '-a', 'a b'])('cannot contain %j', (id) =>
    expect(() => migrationUri({ ...identity, id }, 'source')).toThrow(
      expect.objectContaining({ code: 'LINK_IDENTITY_INVALID' }),
    ),
  );
});
