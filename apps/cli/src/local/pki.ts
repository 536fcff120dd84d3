import 'reflect-metadata';
import { webcrypto, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Present: also a server certificate, for these names and addresses. */
  readonly hosts?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

async function keyPair(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function serial(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

function distinguishedName(subject: Subject): string {
  return [`CN=${subject.commonName}`, ...(subject.organizations ?? []).map((organization) => `O=${organization}`)].join(
    ', ',
  );
}

async function save(directory: string, name: string, certificate: string, key: string): Promise<void> {
  await writeFile(join(directory, `${name}.crt`), certificate, { mode: 0o644 });
  await writeFile(join(directory, `${name}.key`), key, { mode: 0o600 });
}

async function makeCa(directory: string, name: string, commonName: string): Promise<Issuer> {
  const keys = await keyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${commonName}`,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await save(directory, name, certificate.toString('pem'), await keyPem(keys.privateKey));
  return { certificate, key: keys.privateKey };
}

async function loadCa(directory: string, name: string): Promise<Issuer | undefined> {
  try {
    const certificate = new x509.X509Certificate(await readFile(join(directory, `${name}.crt`), 'utf8'));
    const pem = await readFile(join(directory, `${name}.key`), 'utf8');
    const der = x509.PemConverter.decodeFirst(pem);
    return { certificate, key: await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  return await readFile(file).then(
    () => true,
    () => false,
  );
}

async function issue(directory: string, name: string, issuer: Issuer, subject: Subject): Promise<void> {
  if (await exists(join(directory, `${name}.key`))) return;
  const keys = await keyPair();
  const usages = ['1.3.6.1.5.5.7.3.2', ...(subject.hosts ? ['1.3.6.1.5.5.7.3.1'] : [])];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: distinguishedName(subject),
    issuer: issuer.certificate.subject,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 825 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      ...(subject.hosts
        ? [
            new x509.SubjectAlternativeNameExtension([
              ...subject.hosts.dns.map((value) => ({ type: 'dns' as const, value })),
              ...subject.hosts.ip.map((value) => ({ type: 'ip' as const, value })),
            ]),
          ]
        : []),
    ],
  });
  await save(directory, name, certificate.toString('pem'), await keyPem(keys.privateKey));
}

const LOOPBACK = { dns: ['localhost', 'kubernetes', 'kubernetes.default.svc'], ip: ['127.0.0.1', '::1'] };

/**
 * Makes what is missing of a cluster's certificates: its CA, those of its processes and of the administrator, the key
 * that signs service-account tokens, and the KubeVirt CA that signs migrations. Existing files are kept.
 */
export async function ensurePki(directory: string, cluster: string, nodes: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  const ca = (await loadCa(directory, 'ca')) ?? (await makeCa(directory, 'ca', `godwit-${cluster}`));
  if (!(await loadCa(directory, 'kubevirt-ca'))) await makeCa(directory, 'kubevirt-ca', `kubevirt.io@${cluster}`);
  await issue(directory, 'api-server', ca, { commonName: 'kube-apiserver', hosts: LOOPBACK });
  await issue(directory, 'api-server-client', ca, {
    commonName: 'system:kube-apiserver',
    organizations: ['system:masters'],
  });
  await issue(directory, 'admin', ca, { commonName: 'kubernetes-admin', organizations: ['system:masters'] });
  await issue(directory, 'controllers', ca, {
    commonName: 'system:kubevirt:controller',
    organizations: ['system:masters'],
  });
  // Of a server alone: it belongs to no group and may do nothing.
  await issue(directory, 'controllers-metrics', ca, { commonName: 'controllers-metrics', hosts: LOOPBACK });
  for (const node of nodes) {
    await issue(directory, `node-${node}`, ca, {
      commonName: `system:node:${node}`,
      organizations: ['system:nodes'],
      hosts: { dns: [node, 'localhost'], ip: LOOPBACK.ip },
    });
  }
  if (!(await exists(join(directory, 'service-accounts.key')))) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(directory, 'service-accounts.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    });
  }
}
