import { randomBytes, webcrypto } from 'node:crypto';
import { linkError } from './errors.ts';
import { migrationUri, type LinkRole, type MigrationIdentity } from './identity.ts';

/** Loaded on first use only: most processes that import this package never touch a certificate. */
async function x509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export interface SigningOptions {
  readonly caCertPem: string;
  /** PKCS#8 PEM, ECDSA or RSA. */
  readonly caKeyPem: string;
  readonly identity: MigrationIdentity;
  readonly role: LinkRole;
  /** Default 1. */
  readonly hours?: number;
  readonly nowMs?: number;
}

/**
 * Signs the request of one side of one migration. Nothing is taken from the request but its public key, whose possession it
 * must prove; a request that names another identity is refused (LINK_IDENTITY_INVALID). The caller decides who may ask.
 */
export async function signMigrationCertificate(csrPem: string, options: SigningOptions): Promise<string> {
  const lib = await x509();
  const uri = migrationUri(options.identity, options.role);
  const request = new lib.Pkcs10CertificateRequest(csrPem);
  if (!(await request.verify(webcrypto)))
    throw linkError('LINK_IDENTITY_INVALID', `The certificate request for ${uri} is not signed by its own key`);
  const extension = request.extensions.find((one) => one.type === '2.5.29.17');
  const asked =
    extension === undefined ? [] : new lib.SubjectAlternativeNameExtension(extension.rawData).names.toJSON();
  if (asked.length !== 1 || asked[0]?.type !== 'url' || asked[0].value !== uri)
    throw linkError('LINK_IDENTITY_INVALID', `The certificate request does not name ${uri}`);
  const issuer = new lib.X509Certificate(options.caCertPem);
  const { name, namedCurve } = issuer.publicKey.algorithm as { name: string; namedCurve?: string };
  const algorithm = namedCurve === undefined ? { name, hash: 'SHA-256' } : { name, namedCurve, hash: 'SHA-256' };
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pemBytes(options.caKeyPem), algorithm, false, ['sign']);
  const now = options.nowMs ?? Date.now();
  const certificate = await lib.X509CertificateGenerator.create(
    {
      serialNumber: `00${randomBytes(15).toString('hex')}`,
      subject: `CN=migration ${options.role}`,
      issuer: issuer.subject,
      notBefore: new Date(now - 5 * 60_000),
      notAfter: new Date(now + (options.hours ?? 1) * 3_600_000),
      publicKey: request.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new lib.BasicConstraintsExtension(false, undefined, true),
        new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
        new lib.ExtendedKeyUsageExtension([
          lib.ExtendedKeyUsage[options.role === 'source' ? 'clientAuth' : 'serverAuth'],
        ]),
        new lib.SubjectAlternativeNameExtension([{ type: 'url', value: uri }], true),
        await lib.AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}

function pemBytes(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'));
}
