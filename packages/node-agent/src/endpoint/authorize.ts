import type { PeerCertificate } from 'node:tls';

const API_SERVER = 'system:kube-apiserver';
const MASTERS = 'system:masters';

function all(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/** Who may use the agent's endpoint: the API server and the cluster's administrators, by client certificate. */
export function isTrustedClient(certificate: Pick<PeerCertificate, 'subject'> | undefined): boolean {
  // A missing certificate is an empty object at run time.
  const subject = certificate?.subject as { CN?: string | string[]; O?: string | string[] } | undefined;
  return all(subject?.CN).includes(API_SERVER) || all(subject?.O).includes(MASTERS);
}
