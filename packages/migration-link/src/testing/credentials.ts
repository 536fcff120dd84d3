import { webcrypto } from 'node:crypto';
import { createMigrationKey } from '../certificate-request.ts';
import { signMigrationCertificate } from '../certificate.ts';
import type { LinkRole, MigrationIdentity } from '../identity.ts';
import type { LinkCredentials } from '../tls-options.ts';

/** A certificate authority for tests. */
export interface TestAuthority {
  readonly certPem: string;
  readonly keyPem: string;
  /** Credentials that trust this authority (or `trust`), good for an hour or for `hours` from now, which may be over. */
  issue(identity: MigrationIdentity, role: LinkRole, trust?: TestAuthority, hours?: number): Promise<LinkCredentials>;
}

export async function createTestAuthority(name = 'CN=test authority'): Promise<TestAuthority> {
  await import('reflect-metadata');
  const { X509CertificateGenerator, BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags } =
    await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const certPem = `${certificate.toString('pem')}\n`;
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  return {
    certPem,
    keyPem,
    async issue(identity, role, trust, hours = 1) {
      const key = await createMigrationKey(identity, role);
      const signing = { caCertPem: certPem, caKeyPem: keyPem, identity, role, hours };
      const certificatePem = await signMigrationCertificate(key.csrPem, signing);
      return { keyPem: key.keyPem, certificatePem, trustPem: trust?.certPem ?? certPem };
    },
  };
}
