import { apiVersionOf, isTrue, names, resources } from '@godwit/api';
import type { CertificateSigningRequest, ConfigMap } from '@godwit/api';
import { systemClock, type Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { inTime } from '@godwit/core/in-time';
import type { KubeClient } from '@godwit/kube-client';
import { createMigrationKey } from '@godwit/migration-link';
import type { LinkCredentials, MigrationIdentity } from '../migration/types.ts';

const SIGN_TIMEOUT_MS = 60_000;
const LIFETIME_SECONDS = 3600;
/** Those asked for ahead are kept this long; their hour would run out otherwise. */
const AHEAD_MS = 60_000;

/**
 * A fresh key with a certificate for one side of one migration, and the CAs to trust the other side by. Rejects with
 * `MIGRATION_CERTIFICATE_DENIED` when the cluster refuses to sign, `WAIT_TIMEOUT` when nobody answers.
 */
export async function obtainCredentials(
  client: KubeClient,
  identity: MigrationIdentity,
  role: 'source' | 'target',
  nodeName: string,
): Promise<LinkCredentials> {
  const { keyPem, csrPem } = await createMigrationKey(identity, role);
  const request = await client.create<CertificateSigningRequest>(resources.certificateSigningRequests, {
    apiVersion: apiVersionOf(resources.certificateSigningRequests),
    kind: resources.certificateSigningRequests.kind,
    metadata: { generateName: `godwit-migration-${nodeName}-${role}-` },
    spec: {
      request: Buffer.from(csrPem).toString('base64'),
      signerName: names.signerName,
      usages: ['digital signature', role === 'source' ? 'client auth' : 'server auth'],
      expirationSeconds: LIFETIME_SECONDS,
    },
  });
  const { name } = request.metadata;
  const certificatePem = await signed(client, name);
  return { keyPem, certificatePem, trustPem: await trustBundle(client) };
}

/** The certificate of a request, as soon as there is one. */
async function signed(client: KubeClient, name: string): Promise<string> {
  const over = new AbortController();
  const answer = Promise.withResolvers<string>();
  let seen = false;
  client.watch<CertificateSigningRequest>(resources.certificateSigningRequests, {
    fieldSelector: `metadata.name=${name}`,
    signal: over.signal,
    onEvent({ type, object }) {
      seen = true;
      try {
        if (type === 'DELETED') throw refused('it was deleted');
        const certificate = certificateOf(object);
        if (certificate !== undefined) answer.resolve(certificate);
      } catch (error) {
        answer.reject(error);
      }
    },
    onSynced() {
      if (!seen) answer.reject(refused('it was deleted'));
    },
  });
  try {
    return await inTime(answer.promise, SIGN_TIMEOUT_MS, systemClock, () => {
      const message = `Timed out after ${SIGN_TIMEOUT_MS} ms waiting for the certificate of ${name}`;
      return new GodwitError('WAIT_TIMEOUT', message, { retry: 'backoff' });
    });
  } finally {
    over.abort();
  }
}

function certificateOf({ status }: CertificateSigningRequest): string | undefined {
  const conditions = status?.conditions;
  if (isTrue(conditions, 'Denied') || isTrue(conditions, 'Failed'))
    throw refused(conditions?.find((condition) => condition.status === 'True')?.message ?? 'no reason was given');
  const certificate = status?.certificate ?? '';
  return certificate === '' ? undefined : Buffer.from(certificate, 'base64').toString('utf8');
}

function refused(why: string): GodwitError {
  return new GodwitError('MIGRATION_CERTIFICATE_DENIED', `The migration certificate was refused: ${why}`);
}

async function trustBundle(client: KubeClient): Promise<string> {
  const trust = await client.get<ConfigMap>(resources.configMaps, names.caConfigMap, names.installNamespace);
  const bundle = trust?.data?.[names.caBundleKey] ?? '';
  if (bundle === '')
    throw new GodwitError(
      'MIGRATION_TRUST_MISSING',
      `ConfigMap ${names.installNamespace}/${names.caConfigMap} holds no CA`,
      {
        retry: 'backoff',
      },
    );
  return bundle;
}

/** Credentials that are asked for ahead of their use: once per migration, and anew after a failure. */
export function createCredentialsAhead(clock: Clock) {
  const known = new Map<string, Promise<LinkCredentials>>();
  return (migrationUid: string, ask: () => Promise<LinkCredentials>): Promise<LinkCredentials> => {
    const there = known.get(migrationUid);
    if (there !== undefined) return there;
    const asked = ask();
    known.set(migrationUid, asked);
    const drop = (): void => void known.delete(migrationUid);
    asked.then(() => clock.after(AHEAD_MS, drop), drop);
    return asked;
  };
}
