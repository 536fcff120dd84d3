import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { createMigrationKey, readCertificateRequest } from './certificate-request.ts';
import { signMigrationCertificate } from './certificate.ts';
import { fromPem, toPem } from './der.ts';

const identity = { id: 'uid-m', namespace: 'default', name: 'vm' };
const uri = 'godwit://migration/uid-m/vmi/default/vm/source';
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 1024,
};

async function authority(algorithm: typeof EC | typeof RSA, withIdentifier = true) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=kubevirt.io@1700000000, O=Example "quoted", L=Zürich',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      ...(withIdentifier ? [new x509.SubjectKeyIdentifierExtension('0102030405060708')] : []),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { caCertPem: certificate.toString('pem'), caKeyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

/** A request made by another library. */
async function foreignRequest(names: { type: 'url' | 'dns'; value: string }[], algorithm = EC): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const extensions = names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody',
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return request.toString('pem');
}

describe('a migration certificate', () => {
  it.each([
    ['ECDSA', EC, true],
    ['ECDSA, without a key identifier', EC, false],
    ['RSA', RSA, true],
  ] as const)(
    'of an authority with %s is for just this identity, role and time',
    async (_what, algorithm, identifier) => {
      const ca = await authority(algorithm, identifier);
      const { csrPem } = await createMigrationKey(identity, 'source');
      const nowMs = Date.UTC(2031, 4, 6, 7, 8, 9);
      const pem = await signMigrationCertificate(csrPem, { ...ca, identity, role: 'source', hours: 2, nowMs });
      const issuer = new X509Certificate(ca.caCertPem);
      const certificate = new X509Certificate(pem);
      expect(certificate.verify(issuer.publicKey)).toBe(true);
      // OpenSSL compares names and key identifiers here.
      expect(certificate.checkIssued(issuer)).toBe(true);
      expect(certificate.subject).toBe('CN=migration source');
      expect(certificate.subjectAltName).toBe(`URI:${uri}`);
      expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
      expect(certificate.ca).toBe(false);
      expect(certificate.validFromDate).toEqual(new Date(nowMs - 300_000));
      expect(certificate.validToDate).toEqual(new Date(nowMs + 7_200_000));
      expect(certificate.publicKey.equals(readCertificateRequest(csrPem).publicKey)).toBe(true);

      const read = new x509.X509Certificate(pem);
      expect(read.extensions.map(({ type, critical }) => [type, critical])).toEqual([
        ['2.5.29.19', true],
        ['2.5.29.15', true],
        ['2.5.29.37', false],
        ['2.5.29.17', true],
        ['2.5.29.35', false],
      ]);
      expect(read.getExtension(x509.KeyUsagesExtension)?.usages).toBe(x509.KeyUsageFlags.digitalSignature);
    },
  );

  it('has a serial number of its own', async () => {
    const ca = await authority(EC);
    const { csrPem } = await createMigrationKey(identity, 'target');
    const make = async () => signMigrationCertificate(csrPem, { ...ca, identity, role: 'target' });
    const serials = (await Promise.all([make(), make()])).map((pem) => new X509Certificate(pem).serialNumber);
    expect(new Set(serials).size).toBe(2);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });
});

describe('a request', () => {
  it('is read as it was made', async () => {
    const { csrPem, keyPem } = await createMigrationKey(identity, 'source');
    expect(readCertificateRequest(csrPem)).toMatchObject({ uri, isSignedByItsKey: true });
    expect(keyPem).toContain('BEGIN PRIVATE KEY');
    const other = new x509.Pkcs10CertificateRequest(csrPem);
    expect(await other.verify()).toBe(true);
    expect(other.subject).toBe('CN=migration source');
  });

  it.each([EC, RSA] as const)('of another maker is read, too (%j)', async (algorithm) => {
    const csrPem = await foreignRequest([{ type: 'url', value: uri }], algorithm as typeof EC);
    expect(readCertificateRequest(csrPem)).toMatchObject({ uri, isSignedByItsKey: true });
  });

  it.each([
    ['no name', []],
    ['another kind of name', [{ type: 'dns' as const, value: 'example.org' }]],
    [
      'two names',
      [
        { type: 'url' as const, value: uri },
        { type: 'url' as const, value: `${uri}2` },
      ],
    ],
    ['another identity', [{ type: 'url' as const, value: uri.replace('uid-m', 'uid-n') }]],
  ])('with %s is refused', async (_what, names) => {
    const signing = { ...(await authority(EC)), identity, role: 'source' as const };
    await expect(signMigrationCertificate(await foreignRequest(names), signing)).rejects.toMatchObject({
      code: 'LINK_IDENTITY_INVALID',
    });
  });

  it('that its key has not signed is refused', async () => {
    const { csrPem } = await createMigrationKey(identity, 'source');
    const der = fromPem('CERTIFICATE REQUEST', csrPem);
    const changed = Buffer.from(der);
    // In the subject, which nobody reads: only the signature tells.
    changed[der.indexOf('migration source')] = 'M'.charCodeAt(0);
    const pem = toPem('CERTIFICATE REQUEST', changed);
    expect(readCertificateRequest(pem)).toMatchObject({ uri, isSignedByItsKey: false });
    const signing = { ...(await authority(EC)), identity, role: 'source' as const };
    await expect(signMigrationCertificate(pem, signing)).rejects.toMatchObject({ code: 'LINK_IDENTITY_INVALID' });
  });

  it('cut short anywhere, or of something else, is no request', async () => {
    const { csrPem } = await createMigrationKey(identity, 'source');
    const der = fromPem('CERTIFICATE REQUEST', csrPem);
    const malformed = expect.objectContaining({ code: 'LINK_CERTIFICATE_MALFORMED' });
    for (let length = 0; length < der.length; length += 1) {
      const pem = toPem('CERTIFICATE REQUEST', der.subarray(0, length));
      expect(() => readCertificateRequest(pem), `${length} bytes`).toThrow(malformed);
    }
    expect(() => readCertificateRequest('hello')).toThrow(malformed);
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = publicKey.export({ type: 'spki', format: 'der' });
    expect(() => readCertificateRequest(toPem('CERTIFICATE REQUEST', key))).toThrow(malformed);
  });
});
