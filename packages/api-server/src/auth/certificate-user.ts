import type { PeerCertificate } from 'node:tls';
import type { UserInfo } from '../plugins.ts';

/** Who sends a request without credentials. */
export const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

/**
 * The user of a client certificate that TLS has already verified: CN is the name, each O a group. A certificate without
 * CN, or none at all, is the anonymous user.
 */
export function userFromCertificate(cert: PeerCertificate): UserInfo {
  // Node leaves the subject out when the peer sent no certificate, and gives a list for repeated attributes.
  const subject = cert.subject as Partial<Record<'CN' | 'O', string | string[]>> | undefined;
  const username = [subject?.CN ?? []].flat()[0];
  if (username === undefined || username === '') return anonymous;
  const fingerprint = cert.fingerprint256.replaceAll(':', '').toLowerCase();
  return {
    username,
    groups: [...new Set([...[subject?.O ?? []].flat(), 'system:authenticated'])],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
}
