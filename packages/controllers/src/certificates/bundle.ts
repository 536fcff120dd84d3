import { X509Certificate } from 'node:crypto';

export interface BundleResult {
  /** PEM text: our own CA first. */
  readonly bundle: string;
  /** How many of the offered certificates were new and trusted now. */
  readonly added: number;
  /** How many were left out, and why. */
  readonly dropped: readonly string[];
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The trust bundle: our own CA, what was trusted before, and what was offered; without duplicates and without
 * certificates that are not (or no longer) valid or are no CAs. A peer's CA stays for as long as it is valid: how old
 * our own is has nothing to do with it.
 */
export function mergeBundle(ownPem: string, trustedPem: string, offeredPem: string, nowMs: number): BundleResult {
  const seen = new Set<string>();
  const kept: string[] = [];
  const dropped: string[] = [];
  let added = 0;
  const take = (pem: string, from: 'own' | 'trusted' | 'offered'): void => {
    const certificate = parse(pem);
    if (!certificate) {
      if (from === 'offered') dropped.push('not a certificate');
      return;
    }
    if (seen.has(certificate.fingerprint256)) return;
    const why = from === 'own' ? undefined : unusable(certificate, nowMs);
    if (why !== undefined) {
      dropped.push(`${certificate.subject.replaceAll('\n', ', ')}: ${why}`);
      return;
    }
    seen.add(certificate.fingerprint256);
    kept.push(pem.trim());
    if (from === 'offered') added += 1;
  };
  for (const pem of ownPem.match(PEM) ?? []) take(pem, 'own');
  for (const pem of trustedPem.match(PEM) ?? []) take(pem, 'trusted');
  for (const pem of offeredPem.match(PEM) ?? []) take(pem, 'offered');
  if (offeredPem.trim() !== '' && !offeredPem.includes('BEGIN CERTIFICATE')) dropped.push('not PEM');
  return { bundle: `${kept.join('\n')}\n`, added, dropped };
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function unusable(certificate: X509Certificate, nowMs: number): string | undefined {
  if (certificate.validToDate.getTime() <= nowMs) return 'expired';
  if (certificate.validFromDate.getTime() > nowMs) return 'not valid yet';
  return certificate.ca ? undefined : 'not a CA';
}
