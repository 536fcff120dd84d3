import { readCertificateRequest } from './certificate-request.ts';
import { linkError } from './errors.ts';
import { migrationUri, type LinkRole, type MigrationIdentity } from './identity.ts';
import { issueCertificate } from './issue-certificate.ts';

export interface SigningOptions {
  readonly caCertPem: string;
  /** PEM, ECDSA or RSA. */
  readonly caKeyPem: string;
  readonly identity: MigrationIdentity;
  readonly role: LinkRole;
  /** Default 1. */
  readonly hours?: number;
  readonly nowMs?: number;
}

/** Clocks of two clusters differ. */
const BACKDATED_MS = 5 * 60_000;
const HOUR_MS = 3_600_000;

/**
 * Signs the request of one side of one migration. Nothing is taken from the request but its public key, whose possession it
 * must prove; a request that names another identity is refused (LINK_IDENTITY_INVALID), so is one that is none
 * (LINK_CERTIFICATE_MALFORMED). The caller decides who may ask.
 */
export async function signMigrationCertificate(csrPem: string, options: SigningOptions): Promise<string> {
  const uri = migrationUri(options.identity, options.role);
  const request = readCertificateRequest(csrPem);
  if (!request.isSignedByItsKey)
    throw linkError('LINK_IDENTITY_INVALID', `The certificate request for ${uri} is not signed by its own key`);
  if (request.uri !== uri) throw linkError('LINK_IDENTITY_INVALID', `The certificate request does not name ${uri}`);
  const nowMs = options.nowMs ?? Date.now();
  return issueCertificate(
    { certPem: options.caCertPem, keyPem: options.caKeyPem },
    {
      subject: `migration ${options.role}`,
      publicKey: request.publicKey,
      usage: options.role === 'source' ? 'clientAuth' : 'serverAuth',
      uri,
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(nowMs + (options.hours ?? 1) * HOUR_MS),
    },
  );
}
