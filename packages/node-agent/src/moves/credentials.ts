import { apiVersionOf, isTrue, names, resources } from '@godwit/api';
import type { CertificateSigningRequest, ConfigMap } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { createMigrationKey } from '@godwit/migration-link';
import type { LinkCredentials, MigrationIdentity } from '../migration/types.ts';

const SIGN_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 50;
const LIFETIME_SECONDS = 3600;

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
  const certificate = await waitFor(() => signed(client, name), {
    timeoutMs: SIGN_TIMEOUT_MS,
    intervalMs: LOOK_EVERY_MS,
    what: `the certificate of ${name}`,
  });
  return { keyPem, certificatePem: certificate, trustPem: await trustBundle(client) };
}

async function signed(client: KubeClient, name: string): Promise<string | undefined> {
  const request = await client.get<CertificateSigningRequest>(resources.certificateSigningRequests, name);
  const conditions = request?.status?.conditions;
  if (isTrue(conditions, 'Denied') || isTrue(conditions, 'Failed')) {
    const why = conditions?.find((condition) => condition.status === 'True')?.message ?? 'no reason was given';
    throw new GodwitError('MIGRATION_CERTIFICATE_DENIED', `The migration certificate was refused: ${why}`);
  }
  const certificate = request?.status?.certificate;
  return certificate === undefined || certificate === ''
    ? undefined
    : Buffer.from(certificate, 'base64').toString('utf8');
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
