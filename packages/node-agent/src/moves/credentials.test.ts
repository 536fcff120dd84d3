import { names, resources } from '@godwit/api';
import type { CertificateSigningRequest, ConfigMap } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it } from 'vitest';
import { obtainCredentials } from './credentials.ts';

const { certificateSigningRequests: requests } = resources;
const identity = { id: 'm1', namespace: 'ns', name: 'vm' };

async function asked(bundle = 'the CAs') {
  const { client } = createMemoryKube();
  await client.create<ConfigMap>(resources.configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names.caConfigMap, namespace: names.installNamespace },
    data: { [names.caBundleKey]: bundle },
  });
  const credentials = obtainCredentials(client, identity, 'source', 'n1');
  credentials.catch(() => undefined); // looked at below
  const request = await waitFor(async () => (await client.list<CertificateSigningRequest>(requests)).items[0], {
    timeoutMs: 20_000,
    what: 'the request',
  });
  const { name } = request.metadata;
  const answer = (status: CertificateSigningRequest['status']) =>
    client.patch(requests, name, '', { type: 'merge', patch: { status } }, 'status');
  return { client, name, credentials, answer };
}

it('gives the certificate as soon as it is signed, with the CAs to trust', async () => {
  const { credentials, answer } = await asked();
  await answer({ conditions: [{ type: 'Approved', status: 'True' }] });
  await answer({ certificate: Buffer.from('signed').toString('base64') });
  expect(await credentials).toMatchObject({ certificatePem: 'signed', trustPem: 'the CAs' });
});

it('tells why a certificate was refused', async () => {
  const { credentials, answer } = await asked();
  await answer({ conditions: [{ type: 'Denied', status: 'True', message: 'not yours' }] });
  await expect(credentials).rejects.toMatchObject({
    code: 'MIGRATION_CERTIFICATE_DENIED',
    message: expect.stringContaining('not yours'),
  });
});

it('does not wait for a request that is gone', async () => {
  const { client, name, credentials } = await asked();
  await client.delete(requests, name);
  await expect(credentials).rejects.toMatchObject({ code: 'MIGRATION_CERTIFICATE_DENIED' });
});

it('does not begin without anybody to trust', async () => {
  const { credentials, answer } = await asked('');
  await answer({ certificate: Buffer.from('signed').toString('base64') });
  await expect(credentials).rejects.toMatchObject({ code: 'MIGRATION_TRUST_MISSING', retry: 'backoff' });
});
