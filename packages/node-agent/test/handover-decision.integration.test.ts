import { request } from 'node:https';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAgentMetrics } from '../src/endpoint/metrics.ts';
import { createEndpoint } from '../src/endpoint/server.ts';
import type { Endpoint } from '../src/endpoint/server.ts';
import type { Machines } from '../src/launcher/machines.ts';
import { startSource, startTarget } from '../src/migration/index.ts';
import type { SourceMigration, TargetMigration } from '../src/migration/index.ts';
import type { Executor } from '../src/moves/executors.ts';
import { createAgentHost } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { agentOf, killAgentIn, portsOf } from './migration/agent-handle.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig } from './migration/rig.ts';
import type { Rig } from './migration/rig.ts';

let host: AgentHost;
let endpoint: Endpoint;
let executors: Executor[];
let port: number;
let rig: Rig;

beforeEach(async () => {
  host = createAgentHost();
  rig = await createRig();
  executors = [];
  const { cert, key, ca } = host.clientTls('agent');
  // The endpoint needs no more of the machines than their states.
  const machines = { get: () => ({ machine: rig.machine }), list: () => [] } as unknown as Machines;
  endpoint = createEndpoint(
    { address: '127.0.0.1', port: 0, certPem: cert.toString(), keyPem: key.toString(), clientCaPem: ca.toString() },
    {
      io: {
        machines,
        moves: { list: () => executors },
        metrics: createAgentMetrics('n1', () => ({ machines: 0, migrations: [] })),
        upload: async () => undefined,
      },
      log: silentLogger,
    },
  );
  port = await endpoint.start();
});

afterEach(async () => {
  await endpoint.close();
  await rig[Symbol.asyncDispose]();
  host[Symbol.dispose]();
});

function hold(handle: SourceMigration | TargetMigration): void {
  const place = { namespace: 'default', name: 'virt-launcher-tiny', uid: 'p' };
  const executor: Executor = {
    record: {
      role: handle.role,
      identity: rig.identity,
      migrationUid: 'm',
      migrationName: 'move',
      pod: place,
      vmi: { name: 'tiny', uid: 'v' },
      crossCluster: false,
    },
    handle,
    // Nobody reads progress here.
    progress: undefined as unknown as Executor['progress'],
    outcome: undefined,
    endedAtMs: undefined,
    aborting: false,
  };
  void handle.done.then((outcome) => (executor.outcome = outcome));
  executors.push(executor);
}

async function ask(method: string, query = ''): Promise<{ code: number; body: Record<string, unknown> }> {
  const path = `/v1/namespaces/default/virtualmachineinstances/tiny/resolve${query}`;
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port, path, method, ...host.clientTls('api'), checkServerIdentity: () => undefined },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        // The cast is safe: the endpoint answers with JSON objects.
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
        );
      },
    );
    asking.on('error', reject);
    asking.end();
  });
}

it('knows nothing of guests that do not move', async () => {
  expect(await ask('GET')).toMatchObject({ code: 404, body: { reason: 'NotFound' } });
  expect(await ask('PUT', '?decision=resume-source')).toMatchObject({ code: 404 });
  expect(await ask('PUT', '?decision=both')).toMatchObject({ code: 400, body: { reason: 'BadRequest' } });
});

it('takes a decision only while undecided, only for its own side, and lets the guest run by it', async () => {
  const agent = await agentOf(rig, 'target', { haltIn: 'Ready' });
  const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: await portsOf(agent) }));
  rig.onEnd(() => source.close());
  hold(source);
  await agent.said('halted');
  expect(await ask('PUT', '?decision=resume-source')).toMatchObject({ code: 409, body: { reason: 'Conflict' } });
  await agent.kill();
  await waitFor(() => source.status().undecided, { timeoutMs: 30_000, what: 'the source to be undecided' });
  expect(await ask('GET')).toMatchObject({
    code: 200,
    body: { role: 'source', phase: 'Undecided', undecided: true, guest: 'postmigrate' },
  });
  expect(await ask('PUT', '?decision=run-target')).toMatchObject({ code: 409 });
  expect(await rig.machine.state()).toBe('postmigrate');
  const fenced = await rig.hypervisor.adopt(rig.targetDirectory);
  await fenced?.kill();
  expect(await ask('PUT', '?decision=resume-source')).toMatchObject({
    code: 200,
    body: { phase: 'Resumed', undecided: false, guest: 'running' },
  });
  expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
});

it('lets the target run when the source is certainly gone', async () => {
  const target = startTarget(rig.targetOptions());
  rig.onEnd(async () => {
    await target.close();
    await target.machine()?.kill();
  });
  hold(target);
  const ports = await target.listening;
  await killAgentIn(rig, 'source', { target: { host: '127.0.0.1', ports }, haltIn: 'Recording' });
  await waitFor(() => target.status().undecided, { timeoutMs: 30_000, what: 'the target to be undecided' });
  expect(await ask('GET')).toMatchObject({ code: 200, body: { role: 'target', undecided: true, guest: 'paused' } });
  expect(await ask('PUT', '?decision=resume-source')).toMatchObject({ code: 409 });
  const fenced = await rig.hypervisor.adopt(rig.machine.directory);
  await fenced?.kill();
  expect(await ask('PUT', '?decision=run-target')).toMatchObject({
    code: 200,
    body: { phase: 'Running', undecided: false, guest: 'running' },
  });
  expect(await expectOneRunner(rig, undefined, target.machine())).toBe('target');
});
