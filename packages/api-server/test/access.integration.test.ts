import { connect } from 'node:tls';
import type { Duplex } from 'node:stream';
import { resources } from '@godwit/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiError } from '../src/index.ts';
import type { AdmissionPlugin, AdmissionRequest, SubresourceGroup, SubresourceRequest } from '../src/index.ts';
import { TestCluster } from './support/cluster.ts';
import type { Issued } from './support/pki.ts';
import { C, configMap, fixtures } from './support/widgets.ts';

const admitted: AdmissionRequest[] = [];
const plugin: AdmissionPlugin = {
  name: 'test',
  mutate(request) {
    if (request.object?.metadata.labels?.['mutate'] === 'me') request.object.metadata.annotations = { mutated: 'yes' };
    return request.object?.metadata.labels?.['warn'] ? ['be careful'] : [];
  },
  validate(request) {
    admitted.push(request);
    if (request.name === 'forbidden' && request.resource.plural === 'configmaps') {
      throw new ApiError({ code: 418, reason: 'Teapot', message: `no ${request.operation}` });
    }
    return [];
  },
};

const asked: SubresourceRequest[] = [];
const group: SubresourceGroup = {
  group: 'sub.ex.io',
  versions: ['v1'],
  resources: [{ name: 'configmaps/poke', namespaced: true }],
  async handle(request, writer) {
    asked.push(request);
    const changed = await writer.modify(
      resources.configMaps,
      request.name,
      request.namespace,
      (object) => (object['data'] = { poked: 'yes' }),
      request.user,
    );
    return { code: 202, body: changed.metadata };
  },
  upgrade(request, _raw, socket: Duplex) {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n');
    socket.end(`hello ${request.user.username} ${request.subresource.join('/')}`);
    return Promise.resolve();
  },
};

let cluster: TestCluster;
let alice: Issued;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures, plugins: [plugin], subresourceGroups: [group] });
  alice = await cluster.ca.issue('CN=alice, O=people');
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

describe('authentication', () => {
  it('knows users by certificate', async () => {
    const review = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
    const reply = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: review, as: alice });
    expect(reply.code).toBe(201);
    expect(reply.body.status.userInfo).toMatchObject({ username: 'alice', groups: ['people', 'system:authenticated'] });
  });

  it('refuses bad credentials and limits those without', async () => {
    const bad = await call('GET', C, { as: 'nobody', headers: { authorization: 'Bearer nonsense' } });
    expect(bad.body).toMatchObject({ kind: 'Status', code: 401, reason: 'Unauthorized' });
    const { createTestCa } = await import('./support/pki.ts');
    const stranger = await (await createTestCa()).issue('CN=kubernetes-admin, O=system:masters');
    expect((await call('GET', C, { as: stranger })).code).toBe(401);
    expect((await call('GET', '/healthz', { as: 'nobody' })).code).toBe(200);
    expect((await call('GET', '/apis', { as: 'nobody' })).code).toBe(403);
  });

  it('issues tokens of service accounts', async () => {
    await call('POST', '/api/v1/namespaces/t/serviceaccounts', { body: { metadata: { name: 'robot' } } });
    const path = '/api/v1/namespaces/t/serviceaccounts/robot/token';
    const issued = await call('POST', path, { body: { spec: { expirationSeconds: 3600 } } });
    expect(issued.code).toBe(201);
    expect((await call('POST', path, { body: { spec: { expirationSeconds: 10 } } })).code).toBe(422);
    const headers = { authorization: `Bearer ${issued.body.status.token}` };
    expect((await call('GET', '/apis', { as: 'nobody', headers })).code).toBe(200);
    const refused = await call('GET', C, { as: 'nobody', headers });
    expect(refused.body.message).toContain('User "system:serviceaccount:t:robot" cannot list resource "configmaps"');
    const review = await call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body: { spec: { token: issued.body.status.token } },
    });
    expect(review.body.status).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:t:robot' },
    });
    await call('DELETE', '/api/v1/namespaces/t/serviceaccounts/robot');
    expect((await call('GET', '/apis', { as: 'nobody', headers })).code).toBe(401);
  });
});

describe('impersonation', () => {
  it('replaces the identity of those who may', async () => {
    const headers = { 'impersonate-user': 'bob', 'impersonate-group': 'people' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const reply = await call('POST', path, { body: {}, headers });
    expect(reply.body.status.userInfo).toEqual({ username: 'bob', groups: ['people', 'system:authenticated'] });
    expect((await call('GET', '/api/v1/nodes', { headers })).code).toBe(403);
    expect((await call('POST', path, { body: {}, headers, as: alice })).code).toBe(403);
    expect((await call('POST', path, { body: {}, headers: { 'impersonate-group': 'people' } })).code).toBe(400);
  });
});

describe('authorization', () => {
  it('comes before existence and follows roles', async () => {
    const refused = await call('GET', `${C}/none`, { as: alice });
    expect(refused.body).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      details: { name: 'none', kind: 'configmaps' },
    });
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] }];
    await call('POST', `${RBAC}/namespaces/t/roles`, { body: { metadata: { name: 'reader' }, rules } });
    const binding = {
      metadata: { name: 'reader' },
      roleRef: { kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'Group', name: 'people' }],
    };
    expect((await call('POST', `${RBAC}/namespaces/t/rolebindings`, { body: binding })).code).toBe(201);
    expect((await call('GET', `${C}/none`, { as: alice })).code).toBe(404);
    expect((await call('GET', C, { as: alice })).code).toBe(200);
    expect((await call('GET', `${C}?watch=true`, { as: alice })).code).toBe(403);
    expect((await call('GET', '/api/v1/configmaps', { as: alice })).code).toBe(403);
    const change = { roleRef: { kind: 'Role', name: 'other', apiGroup: 'rbac.authorization.k8s.io' } };
    const headers = { 'content-type': 'application/merge-patch+json' };
    expect((await call('PATCH', `${RBAC}/namespaces/t/rolebindings/reader`, { body: change, headers })).code).toBe(422);
  });

  it('answers reviews truthfully', async () => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const ask = async (verb: string) => {
      const spec = { resourceAttributes: { namespace: 't', verb, resource: 'configmaps' } };
      const reply = await call('POST', path, { body: { spec }, as: alice });
      expect(reply.code).toBe(201);
      return reply.body.status.allowed;
    };
    expect([await ask('list'), await ask('watch')]).toEqual([true, false]);
    expect((await call('POST', path, { body: { spec: {} }, as: alice })).code).toBe(422);
    const rules = await call('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      body: { spec: { namespace: 't' } },
      as: alice,
    });
    expect(rules.body.status.resourceRules).toContainEqual(expect.objectContaining({ resources: ['configmaps'] }));
  });

  it('lets node agents do their work and no more', async () => {
    const agent = await cluster.ca.issue('CN=system:node:n1, O=system:nodes');
    const request = {
      spec: { request: 'YQ==', signerName: 'godwit.dev/migration', usages: ['client auth'], username: 'somebody' },
    };
    const csrs = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const csr = await call('POST', csrs, { body: { ...request, metadata: { name: 'csr' } }, as: agent });
    expect(csr.body.spec).toMatchObject({
      username: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated'],
    });
    expect((await call('POST', '/api/v1/nodes', { body: { metadata: { name: 'n1' } }, as: agent })).code).toBe(201);
    expect((await call('GET', '/api/v1/pods', { as: agent })).code).toBe(200);
    expect((await call('POST', C, { body: configMap('x'), as: agent })).code).toBe(403);
    const approval = { status: { conditions: [{ type: 'Approved', status: 'True', reason: 'r', message: 'm' }] } };
    const headers = { 'content-type': 'application/merge-patch+json' };
    expect((await call('PATCH', `${csrs}/csr/approval`, { body: approval, headers, as: agent })).code).toBe(403);
    expect(
      (await call('PATCH', `${csrs}/csr/approval`, { body: approval, headers })).body.status.conditions,
    ).toHaveLength(1);
    const signed = await call('PATCH', `${csrs}/csr/status`, { body: { status: { certificate: 'YQ==' } }, headers });
    expect(signed.body.status).toMatchObject({ certificate: 'YQ==', conditions: [{ type: 'Approved' }] });
  });
});

describe('admission', () => {
  it('changes, warns and refuses', async () => {
    const changed = await call('POST', C, { body: configMap('m1', {}, { labels: { mutate: 'me', warn: 'x' } }) });
    expect(changed.body.metadata.annotations).toEqual({ mutated: 'yes' });
    expect(changed.headers.warning).toBe('299 - "be careful"');
    expect((await call('POST', C, { body: configMap('forbidden') })).body).toMatchObject({
      code: 418,
      reason: 'Teapot',
      message: 'no CREATE',
    });
    expect((await call('GET', `${C}/forbidden`)).code).toBe(404);
  });

  it('sees deletions and who asks', async () => {
    await call('POST', C, { body: configMap('seen') });
    await call('DELETE', `${C}/seen`);
    const last = admitted.findLast((request) => request.name === 'seen');
    expect(last).toMatchObject({
      operation: 'DELETE',
      object: undefined,
      oldObject: { metadata: { name: 'seen' } },
      user: { username: 'kubernetes-admin' },
    });
  });
});

describe('subresource groups', () => {
  it('are listed and handle requests', async () => {
    expect((await call('GET', '/apis/sub.ex.io/v1')).body.resources).toEqual([
      expect.objectContaining({ name: 'configmaps/poke', namespaced: true }),
    ]);
    await call('POST', C, { body: configMap('poked') });
    const path = '/apis/sub.ex.io/v1/namespaces/t/configmaps/poked/poke';
    const reply = await call('PUT', `${path}?x=1`, { raw: '{"a":1}' });
    expect(reply).toMatchObject({ code: 202, body: { name: 'poked' } });
    expect(asked.at(-1)).toMatchObject({
      method: 'PUT',
      name: 'poked',
      subresource: ['poke'],
      body: { a: 1 },
      user: { username: 'kubernetes-admin' },
    });
    expect((await call('GET', `${C}/poked`)).body.data).toEqual({ poked: 'yes' });
    expect((await call('PUT', path, { as: alice })).code).toBe(403);
    expect((await call('PUT', path.replace('poked', 'none'))).body).toMatchObject({ code: 404, reason: 'NotFound' });
  });

  it('take over upgrades', async () => {
    const upgrade = (as: Issued, path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(
          { port: cluster.server.port, host: '127.0.0.1', ca: cluster.ca.certPem, cert: as.certPem, key: as.keyPem },
          () => {
            socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n`);
          },
        );
        let text = '';
        socket.on('data', (chunk) => (text += String(chunk)));
        socket.on('end', () => resolve(text));
        socket.on('error', reject);
      });
    const path = '/apis/sub.ex.io/v1/namespaces/t/configmaps/a/shell/now';
    expect(await upgrade(cluster.admin, path)).toContain('hello kubernetes-admin shell/now');
    expect(await upgrade(alice, path)).toMatch(/^HTTP\/1\.1 403 [\s\S]*"reason":"Forbidden"/);
    expect(await upgrade(cluster.admin, '/api/v1/pods')).toMatch(/^HTTP\/1\.1 404 /);
  });
});
