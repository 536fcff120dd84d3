import { X509Certificate } from 'node:crypto';
import { names, resources } from '@godwit/api';
import type { CertificateSigningRequest, ConfigMap } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { createMigrationKey } from '@godwit/migration-link';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { bootstrap } from '../profiles/bootstrap.ts';
import { startControllers } from '../start.ts';
import { makeCa } from '../testing/certificates.ts';
import { mergeBundle } from './bundle.ts';
import { certificates } from './controller.ts';

type Ca = Awaited<ReturnType<typeof makeCa>>;
let own: Ca;
let peer: Ca;
beforeAll(async () => {
  own = await makeCa('own');
  peer = await makeCa('peer');
});

async function start() {
  const kube = createMemoryKube();
  const { client } = kube;
  const running = await startControllers({ client, clusterName: 'test', kubevirtCa: own, log: silentLogger }, [
    bootstrap,
    certificates,
  ]);
  onTestFinished(() => running.stop());
  return kube;
}

describe('the trust bundle', () => {
  it('is our CA first, then peers; without duplicates, the expired and what is no CA', async () => {
    const now = Date.now();
    const expired = await makeCa('expired', { notBefore: new Date(now - 9e6), notAfter: new Date(now - 1e6) });
    const early = await makeCa('early', { notBefore: new Date(now + 1e6) });
    const leaf = await makeCa('leaf', { ca: false });
    const offer = [expired, early, leaf, peer, peer].map((one) => one.certPem).join('\n');
    const merged = mergeBundle(own.certPem, own.certPem, `${offer}\ngarbage`, now);
    expect(merged.bundle).toBe(`${own.certPem}\n${peer.certPem}\n`);
    expect([merged.added, merged.dropped]).toEqual([
      1,
      ['CN=expired: expired', 'CN=early: not valid yet', 'CN=leaf: not a CA'],
    ]);
  });

  it('keeps a peer for its whole validity, whatever the age of our own CA', async () => {
    const day = 86_400_000;
    const old = await makeCa('old own', {
      notBefore: new Date(Date.now() - 6 * day),
      notAfter: new Date(Date.now() + day),
    });
    const { bundle } = mergeBundle(old.certPem, peer.certPem, '', Date.now());
    expect(bundle).toContain(peer.certPem);
  });

  it('is published, and takes in what is put into the drop box', async () => {
    const { client } = await start();
    const read = async (name: string) =>
      (await client.get<ConfigMap>(resources.configMaps, name, 'kubevirt'))?.data?.['ca-bundle'];
    await waitFor(async () => (await read('kubevirt-ca')) === `${own.certPem}\n`, { timeoutMs: 5_000, what: 'our CA' });
    await client.patch(resources.configMaps, 'kubevirt-external-ca', 'kubevirt', {
      type: 'merge',
      patch: { data: { 'ca-bundle': peer.certPem } },
    });
    await waitFor(async () => (await read('kubevirt-external-ca')) === '', { timeoutMs: 5_000, what: 'an empty box' });
    expect(await read('kubevirt-ca')).toBe(`${own.certPem}\n${peer.certPem}\n`);
  });
});

describe('signing', () => {
  const identity = { id: 'uid-m', namespace: 'default', name: 'vm' };

  async function request(username: string) {
    const kube = await start();
    const { client } = kube;
    kube.seed(
      {
        apiVersion: 'kubevirt.io/v1',
        kind: 'VirtualMachineInstance',
        metadata: { name: 'vm', namespace: 'default' },
        spec: { domain: { devices: {} } },
        status: { migrationState: { migrationUid: 'uid-m', sourceNode: 'n1', targetNode: 'n2' } },
      },
      {
        apiVersion: 'kubevirt.io/v1',
        kind: 'VirtualMachineInstanceMigration',
        metadata: { name: 'm', namespace: 'default', uid: 'uid-m' },
        spec: { vmiName: 'vm' },
      },
    );
    const { csrPem } = await createMigrationKey(identity, 'source');
    await client.create<CertificateSigningRequest>(resources.certificateSigningRequests, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'csr' },
      spec: {
        request: Buffer.from(csrPem).toString('base64'),
        signerName: names.signerName,
        usages: ['digital signature', 'client auth'],
        username,
        groups: ['system:nodes'],
      },
    });
    return waitFor(
      async () => {
        const csr = await client.get<CertificateSigningRequest>(resources.certificateSigningRequests, 'csr');
        const denied = csr?.status?.conditions?.some((one) => one.type === 'Denied') === true;
        return csr?.status?.certificate !== undefined || denied ? csr : undefined;
      },
      { timeoutMs: 5_000, what: 'a verdict' },
    );
  }

  it('gives the node a certificate of the cluster CA for just this migration and role', async () => {
    const { status } = await request('system:node:n1');
    const certificate = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
    expect(certificate.verify(new X509Certificate(own.certPem).publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe('URI:godwit://migration/uid-m/vmi/default/vm/source');
    expect(status?.conditions?.map((one) => one.type)).toEqual(['Approved']);
  });

  it('tells others why not', async () => {
    const { status } = await request('kubernetes-admin');
    expect(status?.conditions?.[0]).toMatchObject({ type: 'Denied', reason: 'NotANode' });
    expect(status?.certificate).toBeUndefined();
  });
});
