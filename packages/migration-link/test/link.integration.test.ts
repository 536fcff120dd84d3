import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createMigrationKey,
  dialControl,
  listenControl,
  migrationUri,
  signMigrationCertificate,
  startCarrier,
  type Carrier,
  type ControlChannel,
  type LinkCredentials,
} from '../src/index.ts';
import { createTestAuthority, type TestAuthority } from '../src/testing/credentials.ts';

const identity = { id: 'mig-1', namespace: 'default', name: 'vm' };
const other = { ...identity, id: 'mig-2' };
let ca: TestAuthority;
let source: LinkCredentials;
let target: LinkCredentials;
const cleanup: (() => unknown)[] = [];

beforeAll(async () => {
  ca = await createTestAuthority();
  source = await ca.issue(identity, 'source');
  target = await ca.issue(identity, 'target');
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).toReversed()) await undo();
});

describe('certificates', () => {
  it('are refused for a request that names another identity', async () => {
    const { csrPem } = await createMigrationKey(other, 'source');
    const signing = { caCertPem: ca.certPem, caKeyPem: ca.keyPem, identity, role: 'source' as const };
    await expect(signMigrationCertificate(csrPem, signing)).rejects.toMatchObject({ code: 'LINK_IDENTITY_INVALID' });
  });
});

async function control(serverCredentials: LinkCredentials) {
  const channels: ControlChannel[] = [];
  const refused: string[] = [];
  const server = await listenControl(
    {
      host: '127.0.0.1',
      port: 0,
      credentials: serverCredentials,
      peerUri: migrationUri(identity, 'source'),
      onRefused: (reason) => refused.push(reason),
    },
    (channel) => channels.push(channel),
  );
  cleanup.push(() => server.close());
  return { server, channels, refused };
}

describe('control channel', () => {
  const dial = (port: number, credentials: LinkCredentials) =>
    dialControl({ host: '127.0.0.1', port, credentials, peerUri: migrationUri(identity, 'target') });

  it('carries messages both ways, large ones too, and reports its end', async () => {
    const { server, channels } = await control(target);
    const channel = await dial(server.port, source);
    const heard: unknown[] = [];
    channel.onMessage((message) => heard.push(message));
    const big = 'x'.repeat(300_000);
    channel.send({ big });
    const peer = await waitFor(() => channels[0], { timeoutMs: 5000, what: 'the connection' });
    const received: unknown[] = [];
    peer.onMessage((message) => received.push(message));
    peer.send({ hello: 1 });
    await waitFor(() => heard.length === 1 && received.length === 1, { timeoutMs: 5000, what: 'both messages' });
    expect(heard).toEqual([{ hello: 1 }]);
    expect(received).toEqual([{ big }]);
    const ended = new Promise((resolve) => channel.onClose(resolve));
    await server.close();
    await expect(ended).resolves.toBeTypeOf('string');
  });

  it('refuses a client of another migration, of the wrong role, of another authority, and with none [SLM 5.3 #58]', async () => {
    const { server, channels } = await control(target);
    const stranger = await createTestAuthority('CN=stranger');
    const wrong = [
      await ca.issue(other, 'source'),
      await ca.issue(identity, 'target'),
      await stranger.issue(identity, 'source', ca),
    ];
    for (const credentials of wrong) {
      // TLS 1.3 clients learn of a refusal after the handshake: the link comes up and is closed at once.
      const ended = dial(server.port, credentials).then(
        (channel) => new Promise((resolve) => channel.onClose(resolve)),
        () => 'refused',
      );
      await expect(ended).resolves.toBeTypeOf('string');
    }
    expect(channels).toEqual([]);
  });

  it('accepts nobody by a certificate that has expired, and goes on with a new one on both sides', async () => {
    const expired = -1 / 3600;
    const { server, channels } = await control(await ca.issue(identity, 'target', undefined, expired));
    await expect(dial(server.port, source)).rejects.toMatchObject({ code: 'LINK_UNREACHABLE' });
    server.renew(target);
    const late = await ca.issue(identity, 'source', undefined, expired);
    const ended = dial(server.port, late).then(
      (channel) => new Promise((resolve) => channel.onClose(resolve)),
      () => 'refused',
    );
    await expect(ended).resolves.toBeTypeOf('string');
    expect(channels).toEqual([]);
    const channel = await dial(server.port, source);
    cleanup.push(() => channel.close());
    await waitFor(() => channels.length === 1, { timeoutMs: 5000, what: 'the connection' });
  });

  it('refuses a server with another identity', async () => {
    const { server } = await control(await ca.issue(other, 'target'));
    await expect(dial(server.port, source)).rejects.toMatchObject({ code: 'LINK_PEER_REFUSED' });
  });
});

interface Pair {
  readonly from: Carrier;
  readonly to: Carrier;
  readonly dir: string;
  readonly problems: string[];
}

async function carriers(
  sourceCredentials: LinkCredentials | undefined,
  targetCredentials: LinkCredentials | undefined,
): Promise<Pair> {
  const dir = await mkdtemp(join(tmpdir(), 'migration-link-'));
  cleanup.push(() => rm(dir, { recursive: true, force: true }));
  const problems: string[] = [];
  const tls = (credentials: LinkCredentials | undefined, role: 'source' | 'target') =>
    credentials === undefined ? {} : { tls: { credentials, peerUri: migrationUri(identity, role) } };
  const sockets = (side: string) => ({
    memory: join(dir, `${side}-memory.sock`),
    block: join(dir, `${side}-block.sock`),
  });
  const report = (reason: string) => problems.push(reason);
  const to = await startCarrier(
    { role: 'target', host: '127.0.0.1', sockets: sockets('to'), ...tls(targetCredentials, 'source') },
    report,
  );
  cleanup.push(() => to.close());
  if (to.ports === undefined) throw new Error('The target carrier reports no ports');
  const from = await startCarrier(
    {
      role: 'source',
      host: '127.0.0.1',
      ports: to.ports,
      sockets: sockets('from'),
      ...tls(sourceCredentials, 'target'),
    },
    report,
  );
  cleanup.push(() => from.close());
  return { from, to, dir, problems };
}

async function listen(path: string, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  cleanup.push(() => server.close());
  await new Promise<void>((resolve) => server.listen({ path }, resolve));
  return server;
}

describe('carrier', () => {
  it.each([
    ['mutual TLS', true],
    ['plain TCP', false],
  ])('moves bytes both ways over %s and passes on the end', async (_, tls) => {
    const { dir, from } = await carriers(tls ? source : undefined, tls ? target : undefined);
    const received: Buffer[] = [];
    await listen(join(dir, 'to-block.sock'), (socket) => {
      socket.on('data', (data: Buffer) => received.push(data));
      socket.on('end', () => socket.end('goodbye'));
    });
    const sent = randomBytes(3 * 2 ** 20 + 5);
    const client = connect({ path: join(dir, 'from-block.sock'), allowHalfOpen: true });
    client.end(sent);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      client.on('data', (data: Buffer) => (text += data.toString()));
      client.on('end', () => resolve(text)).on('error', reject);
    });
    client.destroy();
    expect(answer).toBe('goodbye');
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    await from.close();
    expect(from.carried()).toEqual({ memory: 0, block: sent.length });
  });

  it('keeps the way for memory open when certificates have run out meanwhile', async () => {
    const seconds = 12;
    const brief = async (role: 'source' | 'target'): Promise<LinkCredentials> => {
      const { keyPem, csrPem } = await createMigrationKey(identity, role);
      const signing = { caCertPem: ca.certPem, caKeyPem: ca.keyPem, identity, role, hours: seconds / 3600 };
      return { keyPem, certificatePem: await signMigrationCertificate(csrPem, signing), trustPem: ca.certPem };
    };
    const { dir, problems } = await carriers(await brief('source'), await brief('target'));
    const ends = performance.now() + (seconds + 1) * 1000;
    const received = new Promise<string>((resolve) => {
      void listen(join(dir, 'to-memory.sock'), (socket) => socket.once('data', (data) => resolve(data.toString())));
    });
    await waitFor(() => performance.now() > ends, { timeoutMs: 60_000, what: 'the end of the certificates' });
    expect(problems).toEqual([]);
    const refused = connect({ path: join(dir, 'from-block.sock') });
    await new Promise<void>((resolve) => refused.on('error', () => undefined).on('close', () => resolve()));
    expect(problems).toContainEqual(expect.stringMatching(/expired/));
    const client = connect({ path: join(dir, 'from-memory.sock') });
    cleanup.push(() => client.destroy());
    client.write('guest memory');
    await expect(received).resolves.toBe('guest memory');
  });

  it('connects disks with the certificates that came last', async () => {
    const expired = (role: 'source' | 'target') => ca.issue(identity, role, undefined, -1 / 3600);
    const { dir, from, to } = await carriers(await expired('source'), await expired('target'));
    await listen(join(dir, 'to-block.sock'), (socket) => socket.end('disk'));
    const answer = () =>
      new Promise<string>((resolve) => {
        let text = '';
        const client = connect({ path: join(dir, 'from-block.sock') });
        client.on('data', (data: Buffer) => (text += data.toString())).on('error', () => undefined);
        client.on('close', () => resolve(text));
      });
    expect(await answer()).toBe('');
    from.renew(source);
    to.renew(target);
    await waitFor(async () => (await answer()) === 'disk', { timeoutMs: 20_000, what: 'the disk' });
  });

  it('moves nothing for a peer with another identity', async () => {
    for (const [a, b] of [
      [await ca.issue(other, 'source'), target],
      [source, await ca.issue(other, 'target')],
      [undefined, target],
    ]) {
      const { dir, problems } = await carriers(a, b);
      let reached = 0;
      await listen(join(dir, 'to-memory.sock'), () => (reached += 1));
      const client = connect({ path: join(dir, 'from-memory.sock') });
      client.write('guest memory');
      await new Promise<void>((resolve) => client.on('error', () => undefined).on('close', () => resolve()));
      expect(reached).toBe(0);
      expect(problems.length).toBeGreaterThan(0);
    }
  });

  it('outlives its agent when it is kept, for as long as memory travels', async () => {
    const { dir, from, to } = await carriers(source, target);
    const received: Buffer[] = [];
    await listen(join(dir, 'to-memory.sock'), (socket) =>
      socket.on('data', (data: Buffer) => received.push(data)).on('end', () => socket.end()),
    );
    const client = connect({ path: join(dir, 'from-memory.sock') });
    cleanup.push(() => client.destroy());
    client.on('error', () => undefined).write('some');
    const text = () => Buffer.concat(received).toString();
    await waitFor(() => text() === 'some', { timeoutMs: 5000, what: 'the first bytes' });
    for (const carrier of [from, to]) {
      carrier.keep();
      await carrier.leave();
    }
    client.write(' more');
    await waitFor(() => text() === 'some more', { timeoutMs: 5000, what: 'the rest' });
    for (const { pid } of [from, to]) expect(isAlive(pid)).toBe(true);
    client.destroy();
    await waitFor(() => !isAlive(from.pid) && !isAlive(to.pid), { timeoutMs: 10_000, what: 'their end' });
  });

  it('ends with its agent when nothing of it is in use, kept or not', async () => {
    const { from, to } = await carriers(source, target);
    from.keep();
    await from.leave();
    await to.leave();
    await waitFor(() => !isAlive(from.pid) && !isAlive(to.pid), { timeoutMs: 10_000, what: 'their end' });
  });

  it('ends the far side when killed, and says so', async () => {
    const { dir, from, to } = await carriers(source, target);
    const ended = new Promise<void>((resolve) => {
      void listen(join(dir, 'to-block.sock'), (socket) =>
        socket
          .on('error', () => undefined)
          .on('end', () => resolve())
          .resume(),
      );
    });
    const client = connect({ path: join(dir, 'from-block.sock') });
    client.on('error', () => undefined).write('x');
    await waitFor(() => to.carried().block > 0, { timeoutMs: 5000, what: 'the first byte' });
    const reported = new Promise<string>((resolve) => from.onExit(resolve));
    process.kill(from.pid, 'SIGKILL');
    await ended;
    await waitFor(() => to.lost('block'), { timeoutMs: 5000, what: 'the word of the far side' });
    await expect(reported).resolves.toMatch(/SIGKILL/);
  });
});

/** Its parent reaps it a moment after its end. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
