import type { PeerCertificate } from 'node:tls';

const API_SERVER = 'system:kube-apiserver';
const MASTERS = 'system:masters';

function all(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/**
 * Who may use the HTTPS endpoints of a cluster's processes: its API server and its administrators, by the subject of a
 * client certificate. That the cluster's CA signed the certificate is for TLS to check.
 */
export function isTrustedClient(certificate: Pick<PeerCertificate, 'subject'> | undefined): boolean {
  // A missing certificate is an empty object at run time.
  const subject = certificate?.subject as { CN?: string | string[]; O?: string | string[] } | undefined;
  return all(subject?.CN).includes(API_SERVER) || all(subject?.O).includes(MASTERS);
}
