import { generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { issueCertificate } from '@godwit/migration-link';
import type { Issuer } from '@godwit/migration-link';

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

/** A fresh key with a certificate for one role, signed by the cluster's KubeVirt CA, valid for a day. */
export async function issueLeaf(ca: Issuer, role: keyof typeof commonNames, nowMs: number): Promise<Leaf> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const notAfterMs = Math.min(nowMs + LIFETIME_MS, new X509Certificate(ca.certPem).validToDate.getTime());
  const certPem = await issueCertificate(ca, {
    subject: commonNames[role],
    publicKey,
    usage: role === 'client' ? 'clientAuth' : 'serverAuth',
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(notAfterMs),
  });
  return { certPem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), notAfterMs };
}
