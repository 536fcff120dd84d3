import { webcrypto } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Keys and certificates under the names that libvirt and QEMU look for, valid for a day. */
export async function makePki(directory: string): Promise<void> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };
  const authorityKeys = await newKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=bench authority',
      keys: authorityKeys,
      signingAlgorithm: algorithm,
      ...times,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    },
    webcrypto,
  );
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(join(directory, 'ca-cert.pem'), authority.toString('pem'));
  for (const [role, usage] of [
    ['server', '1.3.6.1.5.5.7.3.1'],
    ['client', '1.3.6.1.5.5.7.3.2'],
  ] as const) {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create(
      {
        subject: `CN=bench ${role}`,
        issuer: authority.subject,
        publicKey: keys.publicKey,
        signingKey: authorityKeys.privateKey,
        signingAlgorithm: algorithm,
        serialNumber: role === 'server' ? '02' : '03',
        ...times,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([usage]),
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: 'localhost' },
            { type: 'ip', value: '127.0.0.1' },
          ]),
        ],
      },
      webcrypto,
    );
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const lines = pkcs8.match(/.{1,64}/g)?.join('\n') ?? '';
    await writeFile(join(directory, `${role}-cert.pem`), certificate.toString('pem'));
    await writeFile(
      join(directory, `${role}-key.pem`),
      `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
      {
        mode: 0o600,
      },
    );
  }
}
