import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { migrationUri, type LinkRole, type MigrationIdentity } from './identity.ts';

const OID = {
  commonName: '2.5.4.3',
  subjectAlternativeName: '2.5.29.17',
  extensionRequest: '1.2.840.113549.1.9.14',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;
/** `uniformResourceIdentifier` among the choices of a GeneralName (RFC 5280, 4.2.1.6). */
const URI_NAME = 6;

/** Loaded on first use only; the library that also reads certificates takes every node agent 10 MB more. */
const asn1 = async () => import('asn1js');

/** Loads now what a request will need soon. */
export async function expectCertificates(): Promise<void> {
  await asn1();
}

/** A fresh ECDSA P-256 key and a PKCS#10 request for this migration's identity in this role. The key never leaves the node. */
export async function createMigrationKey(
  identity: MigrationIdentity,
  role: LinkRole,
): Promise<{ keyPem: string; csrPem: string }> {
  const uri = migrationUri(identity, role);
  const lib = await asn1();
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const sequence = (...value: InstanceType<typeof lib.BaseBlock>[]) => new lib.Sequence({ value });
  const set = (one: InstanceType<typeof lib.BaseBlock>) => new lib.Set({ value: [one] });
  const oid = (value: string) => new lib.ObjectIdentifier({ value });

  const name = new lib.Primitive({ idBlock: { tagClass: 3, tagNumber: URI_NAME }, valueHex: bytes(Buffer.from(uri)) });
  const extension = sequence(
    oid(OID.subjectAlternativeName),
    new lib.OctetString({ valueHex: sequence(name).toBER() }),
  );
  // PKCS#10 (RFC 2986, 4.1): version, subject, key, and what the certificate is to hold.
  const content = sequence(
    new lib.Integer({ value: 0 }),
    sequence(set(sequence(oid(OID.commonName), new lib.Utf8String({ value: `migration ${role}` })))),
    lib.fromBER(bytes(publicKey.export({ type: 'spki', format: 'der' }))).result,
    new lib.Constructed({
      idBlock: { tagClass: 3, tagNumber: 0 },
      value: [sequence(oid(OID.extensionRequest), set(sequence(extension)))],
    }),
  );
  const signature = sign('sha256', Buffer.from(content.toBER()), privateKey);
  const request = sequence(
    content,
    sequence(oid(OID.ecdsaWithSha256)),
    new lib.BitString({ valueHex: bytes(signature) }),
  );
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: pem('CERTIFICATE REQUEST', Buffer.from(request.toBER())),
  };
}

/** A buffer of its own: what Node hands out may be a window into a larger one. */
function bytes(buffer: Buffer): ArrayBuffer {
  return Uint8Array.from(buffer).buffer;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
