import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HandoverSide, KubeObject, ResourceKind, VmiMigrationState } from '@godwit/api';
import type { ObjectWriter, SubresourceReply } from '@godwit/api-server';
import { afterEach, beforeAll, afterAll, expect, it } from 'vitest';
import { kubeVirtSubresources } from '../src/index.ts';

/** A node agent's endpoint, reduced to what the API server sees of it. */
interface FakeAgent {
  readonly node: KubeObject;
  readonly asked: string[];
  side: HandoverSide | undefined;
  readonly server: Server;
}

let pki: string;
let pem: { cert: string; key: string };
const agents: FakeAgent[] = [];

beforeAll(() => {
  pki = mkdtempSync(join(tmpdir(), 'virt-api-'));
  const [key, cert] = [join(pki, 'key'), join(pki, 'cert')];
  const subject = ['-days', '2', '-subj', '/CN=agent', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
  pem = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
});

afterAll(() => rmSync(pki, { recursive: true }));
afterEach(() => {
  for (const { server } of agents.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function startAgent(name: string, side: HandoverSide): Promise<FakeAgent> {
  const asked: string[] = [];
  const server = createServer(pem, (request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (agent.side === undefined) response.writeHead(404);
    response.end(JSON.stringify(agent.side ?? { message: 'takes no part' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
  const agent: FakeAgent = { node, asked, side, server };
  agents.push(agent);
  return agent;
}

const moving: VmiMigrationState = { migrationUid: 'm', sourceNode: 'n1', targetNode: 'n2' };

async function ask(
  method: 'GET' | 'PUT',
  query: string,
  nodes: readonly KubeObject[],
  migrationState: VmiMigrationState | undefined = moving,
): Promise<SubresourceReply> {
  const conditions = [{ type: 'HandoverUndecided', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const vmi: KubeObject = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'a', namespace: 'ns', uid: 'v' },
    status: { phase: 'Running', conditions, migrationState },
  };
  const lease: KubeObject = { apiVersion: 'v1', kind: 'Lease', metadata: {}, spec: { renewTime: 'then' } };
  const reader: Pick<ObjectWriter, 'get'> = {
    get: ({ kind }: ResourceKind, name: string) =>
      kind === 'Node' ? nodes.find((node) => node.metadata.name === name) : kind === 'Lease' ? lease : vmi,
  };
  const group = kubeVirtSubresources({ certPem: pem.cert, keyPem: pem.key, caPem: pem.cert });
  const request = {
    method,
    group: group.group,
    version: 'v1',
    namespace: 'ns',
    plural: 'virtualmachineinstances',
    name: 'a',
    subresource: ['resolve'],
    query: new URLSearchParams(query),
    user: { username: 'u', groups: [] },
    body: undefined,
  };
  // The handler of this subresource only reads.
  return group.handle(request, reader as ObjectWriter);
}

const source: HandoverSide = { role: 'source', phase: 'Undecided', undecided: true, guest: 'postmigrate' };
const target: HandoverSide = { role: 'target', phase: 'Ready', undecided: false, guest: 'paused' };
const PATH = '/v1/namespaces/ns/virtualmachineinstances/a/resolve';

it('says what both sides know, and why one says nothing', async () => {
  const n1 = await startAgent('n1', source);
  const n2 = await startAgent('n2', target);
  n2.server.closeAllConnections();
  await new Promise((resolve) => n2.server.close(resolve));
  const { body } = await ask('GET', '', [n1.node, n2.node]);
  expect(body).toMatchObject({
    undecided: true,
    since: '2026-01-01T00:00:00Z',
    source: { node: 'n1', nodeReady: true, lastSeen: 'then', side: source },
    target: { node: 'n2', silent: expect.stringContaining('ECONNREFUSED') as string },
  });
});

it('hands the decision to the side that is to run, once the other has nothing left', async () => {
  const n1 = await startAgent('n1', source);
  const n2 = await startAgent('n2', target);
  const nodes = [n1.node, n2.node];
  await expect(ask('PUT', 'decision=resume-source', nodes)).rejects.toMatchObject({
    message: expect.stringContaining('The target is not fenced: the agent of node "n2" answers') as string,
  });
  expect(n1.asked).toEqual([]);
  n2.side = { ...target, guest: 'gone' };
  expect((await ask('PUT', 'decision=resume-source', nodes)).code).toBe(200);
  expect(n1.asked).toEqual([`PUT ${PATH}?decision=resume-source`]);
  n2.side = undefined;
  n1.asked.length = 0;
  expect((await ask('PUT', 'decision=resume-source', [n1.node])).code).toBe(200);
});

it('refuses what nobody can decide here', async () => {
  const n1 = await startAgent('n1', source);
  const nodes = [n1.node];
  const refused = (text: string): object => ({ message: expect.stringContaining(text) as string });
  await expect(ask('PUT', 'decision=both', nodes)).rejects.toMatchObject(
    refused('must be resume-source or run-target'),
  );
  await expect(ask('PUT', 'decision=run-target', nodes, {})).rejects.toMatchObject(refused('is not being migrated'));
  const over = { ...moving, completed: true, failed: true };
  await expect(ask('PUT', 'decision=run-target', nodes, over)).rejects.toMatchObject(refused('has failed'));
  const away: VmiMigrationState = {
    ...moving,
    sourceState: { virtualMachineInstanceUID: 'v' },
    targetState: { virtualMachineInstanceUID: 'other', node: 'n2' },
  };
  await expect(ask('PUT', 'decision=run-target', nodes, away)).rejects.toMatchObject(refused('is in another cluster'));
  expect((await ask('PUT', 'decision=resume-source', nodes, away)).code).toBe(200);
  expect((await ask('GET', '', nodes, away)).body).toMatchObject({ target: { elsewhere: true, node: 'n2' } });
});
