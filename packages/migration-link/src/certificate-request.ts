import { createPublicKey, generateKeyPair, sign, verify, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import {
  bitsOf,
  bitString,
  contextTag,
  element,
  fromPem,
  objectIdentifier,
  readElement,
  readInside,
  sequence,
  tags,
  toPem,
  type Element,
} from './der.ts';
import { linkError } from './errors.ts';
import { migrationUri, type LinkRole, type MigrationIdentity } from './identity.ts';
import { commonName, extension, oids, onlyUri, uriNames } from './x509.ts';

const LABEL = 'CERTIFICATE REQUEST';
const ATTRIBUTES = contextTag(0, 'constructed');
/** Hashes of the ways in which requests may be signed, by object identifier: ECDSA and RSA (PKCS#1). */
const HASHES = new Map(
  Object.entries({
    '1.2.840.10045.4.3.2': 'sha256',
    '1.2.840.10045.4.3.3': 'sha384',
    '1.2.840.10045.4.3.4': 'sha512',
    '1.2.840.113549.1.1.11': 'sha256',
    '1.2.840.113549.1.1.12': 'sha384',
    '1.2.840.113549.1.1.13': 'sha512',
  }).map(([oid, hash]) => [objectIdentifier(oid).toString('hex'), hash]),
);

/** A fresh ECDSA P-256 key and a PKCS#10 request for this migration's identity in this role. The key never leaves the node. */
export async function createMigrationKey(
  identity: MigrationIdentity,
  role: LinkRole,
): Promise<{ keyPem: string; csrPem: string }> {
  const uri = migrationUri(identity, role);
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const extensions = sequence(extension(oids.subjectAlternativeName, uriNames(uri)));
  // PKCS#10 (RFC 2986, 4.1): version, subject, key, and what the certificate is to hold.
  const content = sequence(
    element(tags.integer, Buffer.of(0)),
    commonName(`migration ${role}`),
    publicKey.export({ type: 'spki', format: 'der' }),
    element(ATTRIBUTES, sequence(objectIdentifier(oids.extensionRequest), element(tags.set, extensions))),
  );
  const request = sequence(
    content,
    sequence(objectIdentifier(oids.ecdsaWithSha256)),
    bitString(sign('sha256', content, privateKey)),
  );
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: toPem(LABEL, request),
  };
}

export interface CertificateRequest {
  /** The one name it asks for; undefined when it asks for none, for several, or for another kind. */
  readonly uri: string | undefined;
  readonly publicKey: KeyObject;
  /** Whether who made it has the key. */
  readonly isSignedByItsKey: boolean;
}

/** Reads a PKCS#10 request. Throws LINK_CERTIFICATE_MALFORMED. */
export function readCertificateRequest(csrPem: string): CertificateRequest {
  const [content, algorithm, signature] = readInside(readElement(fromPem(LABEL, csrPem)), tags.sequence);
  const [, , key, attributes] = readInside(content, tags.sequence);
  const hash = HASHES.get(readInside(algorithm, tags.sequence)[0]?.whole.toString('hex') ?? '');
  const publicKey = readPublicKey(key);
  const isSignedByItsKey = hash !== undefined && isSignedBy(publicKey, hash, content, bitsOf(signature));
  return { uri: attributes && onlyUri(requestedExtensions(attributes)), publicKey, isSignedByItsKey };
}

function requestedExtensions(attributes: Element): Element | undefined {
  const wanted = objectIdentifier(oids.extensionRequest);
  for (const attribute of readInside(attributes, ATTRIBUTES)) {
    const [name, values] = readInside(attribute, tags.sequence);
    if (name?.whole.equals(wanted) === true) return readInside(values, tags.set)[0];
  }
  return undefined;
}

function readPublicKey(spki: Element | undefined): KeyObject {
  try {
    return createPublicKey({ key: spki?.whole ?? Buffer.of(), type: 'spki', format: 'der' });
  } catch (cause) {
    throw linkError('LINK_CERTIFICATE_MALFORMED', 'A certificate request holds no public key', cause);
  }
}

function isSignedBy(key: KeyObject, hash: string, content: Element | undefined, signature: Buffer): boolean {
  try {
    return content !== undefined && verify(hash, content.whole, key, signature);
  } catch {
    // A kind of key that signs in other ways than the request says.
    return false;
  }
}
