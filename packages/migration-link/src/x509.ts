import { contentOf, contextTag, element, objectIdentifier, readElement, readInside, sequence, tags } from './der.ts';
import type { Element } from './der.ts';

/** Names of what certificates (RFC 5280) and requests for them (RFC 2986) hold. */
export const oids = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  extensionRequest: '1.2.840.113549.1.9.14',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** `uniformResourceIdentifier` among the choices of a GeneralName (RFC 5280, 4.2.1.6). */
const URI_NAME = contextTag(6, 'primitive');

/** A distinguished name that is a common name only. */
export function commonName(text: string): Buffer {
  const attribute = sequence(objectIdentifier(oids.commonName), element(tags.utf8String, Buffer.from(text)));
  return sequence(element(tags.set, attribute));
}

export function extension(oid: string, value: Buffer, importance?: 'critical'): Buffer {
  const critical = importance === undefined ? [] : [element(tags.boolean, Buffer.of(0xff))];
  return sequence(objectIdentifier(oid), ...critical, element(tags.octetString, value));
}

/** Value of a subject alternative name that is one URI. */
export function uriNames(uri: string): Buffer {
  return sequence(element(URI_NAME, Buffer.from(uri)));
}

/** Value of the extension of this name among Extensions; undefined when there is none. */
export function valueOf(extensions: Element | undefined, oid: string): Element | undefined {
  const wanted = objectIdentifier(oid);
  for (const one of extensions === undefined ? [] : readInside(extensions, tags.sequence)) {
    const members = readInside(one, tags.sequence);
    if (members[0]?.whole.equals(wanted) === true) return readElement(contentOf(members.at(-1), tags.octetString));
  }
  return undefined;
}

/** The URI that is the whole subject alternative name; undefined when it holds anything else, or is missing. */
export function onlyUri(extensions: Element | undefined): string | undefined {
  const names = valueOf(extensions, oids.subjectAlternativeName);
  if (names === undefined) return undefined;
  const [name, ...others] = readInside(names, tags.sequence);
  return name?.tag === URI_NAME && others.length === 0 ? name.content.toString('latin1') : undefined;
}
