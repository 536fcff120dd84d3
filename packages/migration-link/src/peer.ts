import type { PeerCertificate } from 'node:tls';

const USAGES = { source: '1.3.6.1.5.5.7.3.2', target: '1.3.6.1.5.5.7.3.1' } as const;

/**
 * Why this certificate is not the expected peer's; undefined when it is. The chain to the trusted CAs and the validity
 * have been checked by TLS before; here count the exact identity and the usage: sources are clients, targets servers.
 */
export function peerProblem(
  certificate: Pick<PeerCertificate, 'subjectaltname' | 'ext_key_usage'> | undefined,
  expectedUri: string,
): string | undefined {
  const names = (certificate?.subjectaltname ?? '').split(', ').filter((name) => name !== '');
  if (names.length !== 1 || names[0] !== `URI:${expectedUri}`)
    return `The peer is ${names.join(', ') || 'nobody'}, expected URI:${expectedUri}`;
  const usage = expectedUri.endsWith('/source') ? USAGES.source : USAGES.target;
  const usages = certificate?.ext_key_usage ?? [];
  if (usages.length !== 1 || usages[0] !== usage) return `The certificate of ${expectedUri} has the wrong key usage`;
  return undefined;
}
