import { readCertificateRequest } from '@godwit/migration-link';
import type { LinkRole, MigrationIdentity } from '@godwit/migration-link';

export interface RequestedIdentity {
  readonly identity: MigrationIdentity;
  readonly role: LinkRole;
}

const URI = /^godwit:\/\/migration\/([^/]+)\/vmi\/([^/]+)\/([^/]+)\/(source|target)$/;

export function parseMigrationUri(uri: string): RequestedIdentity | undefined {
  const [, id, namespace, name, role] = URI.exec(uri) ?? [];
  if (id === undefined || namespace === undefined || name === undefined) return undefined;
  return { identity: { id, namespace, name }, role: role === 'source' ? 'source' : 'target' };
}

/** The one URI a certificate request asks for; `undefined` when it is no request or asks for anything else. */
export function requestedUri(csrPem: string): string | undefined {
  try {
    return readCertificateRequest(csrPem).uri;
  } catch {
    // Anything a node sends that is not a certificate request is answered like one without a name.
    return undefined;
  }
}
