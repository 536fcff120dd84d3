import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, expect, it } from 'vitest';
import { migrationUri, startCarrier, type LinkCredentials } from '../src/index.ts';
import { createTestAuthority } from '../src/testing/credentials.ts';

const identity = { id: 'mig-1', namespace: 'default', name: 'vm' };
const MAIN = Buffer.from('QEVM and the rest of the main stream');
const further = (id: number): Buffer => Buffer.concat([Buffer.from([0x11, 0x22, 0x33, 0x44]), Buffer.from(`#${id}`)]);
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).toReversed()) await undo();
});

async function listen(server: Server, where: { path: string } | { port: number; host: string }): Promise<number> {
  cleanup.push(() => void server.close());
  await new Promise<void>((resolve) => server.listen(where, resolve));
  const address = server.address();
  return typeof address === 'object' ? ((address as AddressInfo | null)?.port ?? 0) : 0;
}

/** A network that lets the bytes of each connection towards the target through only when told; connections by the order of their making. */
async function holdingNetwork(port: number) {
  const gates: { open: () => void; readonly near: Socket; passed: number }[] = [];
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect({ host: '127.0.0.1', port });
    const gate = {
      near,
      passed: 0,
      open() {
        near.on('data', (data: Buffer) => {
          gate.passed += data.length;
          far.write(data);
        });
        near.resume();
      },
    };
    gates.push(gate);
    far.on('data', (data: Buffer) => near.write(data));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.once('close', () => other.destroy());
      cleanup.push(() => one.destroy());
    }
  });
  return { gates, port: await listen(server, { port: 0, host: '127.0.0.1' }) };
}

/** Both carriers with that network between them, and what a QEMU behind the target hears on memory connections, in order. */
async function link(connections: number, tls: boolean) {
  const dir = await mkdtemp(join(tmpdir(), 'migration-link-'));
  cleanup.push(() => rm(dir, { recursive: true, force: true }));
  const ca = await createTestAuthority();
  const problems: string[] = [];
  const report = (reason: string) => void problems.push(reason);
  const secured = async (role: 'source' | 'target', peer: 'source' | 'target') => {
    const credentials: LinkCredentials = await ca.issue(identity, role);
    return tls ? { tls: { credentials, peerUri: migrationUri(identity, peer) } } : {};
  };
  const sockets = (side: string) => ({ memory: join(dir, `${side}-m.sock`), block: join(dir, `${side}-b.sock`) });
  const heard: { readonly socket: Socket; bytes: Buffer; closed: boolean }[] = [];
  const qemu = createServer((socket) => {
    const one = { socket, bytes: Buffer.alloc(0), closed: false };
    heard.push(one);
    socket.on('data', (data: Buffer) => (one.bytes = Buffer.concat([one.bytes, data])));
    socket.on('error', () => undefined).once('close', () => (one.closed = true));
    cleanup.push(() => socket.destroy());
  });
  await listen(qemu, { path: sockets('to').memory });
  const to = await startCarrier(
    { role: 'target', host: '127.0.0.1', sockets: sockets('to'), ...(await secured('target', 'source')) },
    report,
  );
  cleanup.push(() => to.close());
  const network = await holdingNetwork(to.ports?.memory ?? 0);
  const from = await startCarrier(
    {
      role: 'source',
      host: '127.0.0.1',
      ports: { memory: network.port, block: to.ports?.block ?? 0 },
      sockets: sockets('from'),
      memoryConnections: connections,
      ...(await secured('source', 'target')),
    },
    report,
  );
  cleanup.push(() => from.close());
  await waitFor(() => network.gates.length === connections, { timeoutMs: 10_000, what: 'the connections' });
  /** Connections as the source's QEMU makes them: the main one first. */
  const channels: Socket[] = [];
  for (let index = 0; index < connections; index += 1) {
    const channel = connect({ path: sockets('from').memory });
    channel.on('error', () => undefined).resume();
    cleanup.push(() => channel.destroy());
    await new Promise<void>((resolve) => channel.once('connect', resolve));
    channel.write(index === 0 ? MAIN : further(index));
    channels.push(channel);
  }
  return { heard, channels, network, problems, to };
}

it.each([
  ['mutual TLS', true],
  ['plain TCP', false],
])('QEMU gets the main channel first, whatever order they arrive in (%s)', async (_, tls) => {
  const { heard, network } = await link(5, tls);
  for (const index of [3, 1, 4, 2]) network.gates[index]?.open();
  // They have arrived, or would have: nothing waits for this but the chance to see it go wrong.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(heard).toEqual([]);
  network.gates[0]?.open();
  await waitFor(() => heard.length === 5 && heard.every(({ bytes }) => bytes.length >= 6), {
    timeoutMs: 20_000,
    what: 'all channels',
  });
  const [first, ...others] = heard.map(({ bytes }) => bytes.toString('latin1'));
  expect(first).toBe(MAIN.toString('latin1'));
  expect(others.toSorted()).toEqual([1, 2, 3, 4].map((id) => further(id).toString('latin1')));
});

it('the death of one channel ends all', async () => {
  const { heard, channels, network, problems } = await link(5, true);
  for (const { open } of network.gates) open();
  await waitFor(() => heard.length === 5, { timeoutMs: 20_000, what: 'all channels' });
  const ended = channels.map((channel) => new Promise<void>((resolve) => channel.once('close', () => resolve())));
  network.gates[2]?.near.resetAndDestroy();
  await Promise.all(ended);
  await waitFor(() => heard.every(({ closed }) => closed), { timeoutMs: 10_000, what: 'the end at the target' });
  expect(problems.length).toBeGreaterThan(0);
});

it('a single connection that begins with anything else goes through at once', async () => {
  const { heard, channels, network } = await link(1, true);
  network.gates[0]?.open();
  await waitFor(() => heard[0]?.bytes.equals(MAIN), { timeoutMs: 10_000, what: 'the stream' });
  channels[0]?.end();
  await waitFor(() => heard[0]?.closed, { timeoutMs: 10_000, what: 'its end' });
});

it.each([
  ['whose agent is there', false],
  ['whose agent is gone', true],
])('a carrier %s ends a stream on which nothing comes any more', async (_, alone) => {
  const { heard, channels, network, to } = await link(1, true);
  network.gates[0]?.open();
  await waitFor(() => heard[0]?.bytes.equals(MAIN), { timeoutMs: 10_000, what: 'the stream' });
  to.keep();
  to.watch(2);
  if (alone) await to.leave();
  // From here on the network swallows what comes, and tells nobody.
  network.gates[0]?.near.removeAllListeners('data').resume();
  channels[0]?.write('more');
  await waitFor(() => heard[0]?.closed, { timeoutMs: 30_000, what: 'the end of the stream' });
  if (alone) await waitFor(() => !isAlive(to.pid), { timeoutMs: 10_000, what: 'the end of the carrier' });
  expect(isAlive(to.pid)).toBe(!alone);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
