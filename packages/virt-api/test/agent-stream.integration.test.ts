import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { KubeObject } from '@godwit/api';
import type { ObjectReader } from '@godwit/api-server';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { createTestCa } from '../../api-server/test/support/pki.ts';
import type { Issued } from '../../api-server/test/support/pki.ts';
import { streamToAgent } from '../src/agent-stream.ts';
import type { AgentAnswer } from '../src/agent-stream.ts';

const MIB = 2 ** 20;
let tls: Issued & { caPem: string };
let owned = new AsyncDisposableStack();

beforeAll(async () => {
  const ca = await createTestCa();
  tls = { ...(await ca.issue('CN=agent', true)), caPem: ca.certPem };
});
afterEach(async () => {
  await owned.disposeAsync();
  owned = new AsyncDisposableStack();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Sends to an agent that does what `handler` says; counts what was taken off the sender's hands. */
async function sendTo(
  handler: Handler,
  length: number,
  signal = new AbortController().signal,
): Promise<{ taken: () => number; answer: Promise<AgentAnswer> }> {
  const server = createServer({ cert: tls.certPem, key: tls.keyPem }, handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owned.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const node: KubeObject = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  };
  const reader: ObjectReader = { get: () => node, list: () => [] };
  let taken = 0;
  const body = Readable.from(
    (function* () {
      for (; taken < length; taken += MIB) yield Buffer.alloc(MIB, 7);
    })(),
    { objectMode: false },
  );
  const answer = streamToAgent(reader, 'n', tls, '/x', { body, lengthBytes: length, signal });
  return { taken: () => taken, answer };
}

it('takes no more off the sender than the agent takes', async () => {
  const held = Promise.withResolvers<() => void>();
  const { taken, answer } = await sendTo((request, response) => {
    held.resolve(() => void buffer(request).then((all) => response.end(`got ${all.length}`)));
  }, 64 * MIB);
  const goOn = await held.promise;
  let before = -1;
  const hasStopped = (): boolean => {
    const now = taken();
    const same = now === before;
    before = now;
    return same;
  };
  await waitFor(hasStopped, { timeoutMs: 30_000, intervalMs: 300, what: 'the sender to be held back' });
  expect(taken()).toBeLessThan(24 * MIB);
  goOn();
  expect(await answer).toEqual({ code: 200, message: `got ${64 * MIB}` });
});

it('stops as soon as the agent has answered, and hands its words on', async () => {
  const { taken, answer } = await sendTo((_, response) => {
    response.writeHead(413).end(JSON.stringify({ kind: 'Status', message: 'too much' }));
  }, 64 * MIB);
  expect(await answer).toEqual({ code: 413, message: 'too much' });
  expect(taken()).toBeLessThan(48 * MIB);
});

it('breaks off at the agent when the sender is gone', async () => {
  const gone = new AbortController();
  const aborted = Promise.withResolvers<void>();
  const { answer } = await sendTo(
    (request) => {
      request.once('data', () => gone.abort());
      request.once('error', () => aborted.resolve());
    },
    64 * MIB,
    gone.signal,
  );
  await expect(answer).rejects.toMatchObject({ httpCode: 503 });
  await aborted.promise;
});

it('says so when there is no agent', async () => {
  const reader: ObjectReader = { get: () => undefined, list: () => [] };
  const upload = { body: Readable.from([]), signal: new AbortController().signal };
  await expect(streamToAgent(reader, 'n', tls, '/x', upload)).rejects.toMatchObject({ httpCode: 503 });
});
