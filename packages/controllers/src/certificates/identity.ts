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

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** The one URI a certificate request asks for; `undefined` when it is no request or asks for anything else. */
export async function requestedUri(csrPem: string): Promise<string | undefined> {
  await import('reflect-metadata');
  const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } = await import('@peculiar/x509');
  try {
    const request = new Pkcs10CertificateRequest(csrPem);
    const extension = request.extensions.find((one) => one.type === SUBJECT_ALTERNATIVE_NAME);
    if (!extension) return undefined;
    const asked = new SubjectAlternativeNameExtension(extension.rawData).names.toJSON();
    return asked.length === 1 && asked[0]?.type === 'url' ? asked[0].value : undefined;
  } catch {
    // Anything a node sends that is not a certificate request is answered like one without a name.
    return undefined;
  }
}
