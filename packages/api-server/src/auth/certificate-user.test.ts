import type { PeerCertificate } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { userFromCertificate } from './certificate-user.ts';

// Only the fields that are read; Node itself gives an empty object for a peer without certificate.
const certificate = (fields: object): PeerCertificate => fields as PeerCertificate;

describe('users of client certificates', () => {
  it('takes CN as name and every O as group', () => {
    const subject = { CN: 'system:node:n1', O: ['system:nodes', 'extra'] };
    expect(userFromCertificate(certificate({ subject, fingerprint256: 'AB:0C' }))).toEqual({
      username: 'system:node:n1',
      groups: ['system:nodes', 'extra', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': ['X509SHA256=ab0c'] },
    });
    expect(userFromCertificate(certificate({ subject: { CN: 'a', O: 'g' }, fingerprint256: '' })).groups).toEqual([
      'g',
      'system:authenticated',
    ]);
  });
  it.each([{}, { subject: {}, fingerprint256: '' }, { subject: { CN: '' }, fingerprint256: '' }])(
    '%j is anonymous',
    (fields) => {
      expect(userFromCertificate(certificate(fields))).toEqual({
        username: 'system:anonymous',
        groups: ['system:unauthenticated'],
      });
    },
  );
});
