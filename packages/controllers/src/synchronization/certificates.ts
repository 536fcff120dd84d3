import { webcrypto } from 'node:crypto';

/** Common names that both sides require of each other; upstream's, so that peers of either make are understood. */
export const commonNames = {
  client: 'kubevirt.io:system:client:virt-synchronization-controller',
  server: 'kubevirt.io:system:node:virt-synchronization-controller',
} as const;

export interface Leaf {
  readonly certPem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
}

const LIFETIME_MS = 24 * 3_600_000;
/** Clocks of two clusters differ. */
const BACKDATED_MS = 300_000;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

type SigningAlgorithm = Parameters<typeof webcrypto.subtle.importKey>[2];

/** Algorithm of a PKCS#8 key: what its SubjectPublicKeyInfo says. */
async function algorithmOf(
  certPem: string,
): Promise<{ import: SigningAlgorithm; sign: { name: string; hash: string } }> {
  const { X509Certificate } = await import('node:crypto');
  const { publicKey } = new X509Certificate(certPem);
  if (publicKey.asymmetricKeyType === 'ec') {
    const curve = publicKey.asymmetricKeyDetails?.namedCurve;
    const namedCurve = curve === 'secp384r1' ? 'P-384' : curve === 'secp521r1' ? 'P-521' : 'P-256';
    return { import: { name: 'ECDSA', namedCurve }, sign: { name: 'ECDSA', hash: 'SHA-256' } };
  }
  return {
    import: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    sign: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  };
}

/** A fresh key with a certificate for one role, signed by the cluster's KubeVirt CA, valid for a day. */
export async function issueLeaf(
  ca: { certPem: string; keyPem: string },
  role: keyof typeof commonNames,
  nowMs: number,
): Promise<Leaf> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const { createPrivateKey } = await import('node:crypto');
  const caCertificate = new x509.X509Certificate(ca.certPem);
  const algorithm = await algorithmOf(ca.certPem);
  const pkcs8 = createPrivateKey(ca.keyPem).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm.import, false, ['sign']);
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const notAfterMs = Math.min(nowMs + LIFETIME_MS, caCertificate.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [commonNames[role]] }],
    issuer: caCertificate.subjectName.toJSON(),
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(notAfterMs),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm.sign,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([role === 'client' ? CLIENT_AUTH : SERVER_AUTH]),
    ],
  });
  const exported = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certPem: certificate.toString('pem'),
    keyPem: x509.PemConverter.encode(exported, 'PRIVATE KEY'),
    notAfterMs,
  };
}
