import { createHash, createPrivateKey, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import {
  bitsOf,
  bitString,
  contentOf,
  contextTag,
  element,
  objectIdentifier,
  readElement,
  readInside,
  sequence,
  tags,
  time,
  toPem,
} from './der.ts';
import { linkError } from './errors.ts';
import { commonName, extension, oids, uriNames, valueOf } from './x509.ts';

/** A certificate authority of ours. */
export interface Issuer {
  readonly certPem: string;
  /** ECDSA or RSA. */
  readonly keyPem: string;
}

export interface CertificateContent {
  /** Common name, which is all of the subject. */
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly usage: 'serverAuth' | 'clientAuth';
  /** The only alternative name; none by default. */
  readonly uri?: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const VERSION = contextTag(0, 'constructed');
const EXTENSIONS = contextTag(3, 'constructed');
const KEY_IDENTIFIER = contextTag(0, 'primitive');
/** The first bit, `digitalSignature`, of eight of which seven are unused. */
const DIGITAL_SIGNATURE = element(tags.bitString, Buffer.of(7, 0x80));

/**
 * Signs a certificate (RFC 5280) for one end of a TLS connection, as PEM. Rejects with LINK_CERTIFICATE_MALFORMED when the
 * issuer's key is of another kind.
 */
export async function issueCertificate(issuer: Issuer, content: CertificateContent): Promise<string> {
  const authority = readIssuer(issuer.certPem);
  const key = createPrivateKey(issuer.keyPem);
  const algorithm = signatureAlgorithm(key);
  const extensions = [
    extension(oids.basicConstraints, sequence(), 'critical'),
    extension(oids.keyUsage, DIGITAL_SIGNATURE, 'critical'),
    extension(oids.extendedKeyUsage, sequence(objectIdentifier(oids[content.usage]))),
    ...(content.uri === undefined ? [] : [extension(oids.subjectAlternativeName, uriNames(content.uri), 'critical')]),
    extension(oids.authorityKeyIdentifier, sequence(element(KEY_IDENTIFIER, authority.keyIdentifier))),
  ];
  const toBeSigned = sequence(
    element(VERSION, element(tags.integer, Buffer.of(2))),
    element(tags.integer, serialNumber()),
    algorithm,
    authority.name,
    sequence(time(content.notBefore), time(content.notAfter)),
    commonName(content.subject),
    content.publicKey.export({ type: 'spki', format: 'der' }),
    element(EXTENSIONS, sequence(...extensions)),
  );
  const signature = await promisify(sign)('sha256', toBeSigned, key);
  return toPem('CERTIFICATE', sequence(toBeSigned, algorithm, bitString(signature)));
}

/** 127 random bits: positive, and as short as DER wants it. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function signatureAlgorithm(key: KeyObject): Buffer {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return sequence(objectIdentifier(oids.ecdsaWithSha256));
    case 'rsa':
      return sequence(objectIdentifier(oids.sha256WithRsa), element(tags.null));
    default:
      throw linkError(
        'LINK_CERTIFICATE_MALFORMED',
        `A key of the kind ${key.asymmetricKeyType ?? 'secret'} cannot sign certificates here`,
      );
  }
}

interface Authority {
  /** The whole distinguished name, bit for bit: it is compared so. */
  readonly name: Buffer;
  readonly keyIdentifier: Buffer;
}

function readIssuer(certPem: string): Authority {
  const [content] = readInside(readElement(new X509Certificate(certPem).raw), tags.sequence);
  const members = readInside(content, tags.sequence);
  // The version stands first when it is there at all; subject and key come after serial number, algorithm, issuer, validity.
  const [, , , , subject, publicKey, ...rest] = members[0]?.tag === VERSION ? members.slice(1) : members;
  const wrapped = rest.find(({ tag }) => tag === EXTENSIONS);
  const extensions = wrapped && readElement(contentOf(wrapped, EXTENSIONS));
  const own = valueOf(extensions, oids.subjectKeyIdentifier);
  const [, bits] = readInside(publicKey, tags.sequence);
  return {
    name: element(tags.sequence, contentOf(subject, tags.sequence)),
    keyIdentifier: own ? contentOf(own, tags.octetString) : createHash('sha1').update(bitsOf(bits)).digest(),
  };
}
