import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { waitFor } from '@godwit/core/wait';
import { afterEach, describe, expect, it } from 'vitest';
import { firstByte, forLargeReads, readLarge } from '../src/large-reads.ts';
import { pump } from '../src/pump.ts';
import { createTestAuthority } from '../src/testing/credentials.ts';
import { linkTlsOptions } from '../src/tls-options.ts';

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).toReversed()) await undo();
});

/** Both ends of a connection over a unix socket. */
async function connected(): Promise<{ near: Socket; far: Socket }> {
  const directory = await mkdtemp(join(tmpdir(), 'migration-link-'));
  cleanup.push(() => rm(directory, { recursive: true }));
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen({ path: join(directory, 's') });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const far = connectPlain({ path: join(directory, 's'), allowHalfOpen: true });
  const near = ((await accepted) as [Socket])[0]; // `connection` carries a socket
  cleanup.push(() => server.close());
  for (const socket of [near, far]) {
    socket.on('error', () => undefined);
    cleanup.push(() => socket.destroy());
  }
  return { near, far };
}

const authority = createTestAuthority();

/** Both ends of a TLS connection. */
async function secured(): Promise<{ near: Socket; far: Socket }> {
  const identity = { id: 'm', namespace: 'ns', name: 'vm' };
  const ca = await authority;
  const server = createTlsServer({ ...linkTlsOptions(await ca.issue(identity, 'target')), allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = new Promise<Socket>((resolve) => {
    server.once('secureConnection', (socket) => resolve(forLargeReads(socket)));
  });
  const options = {
    ...linkTlsOptions(await ca.issue(identity, 'source')),
    // The cast is safe: a server that listens on TCP has an AddressInfo.
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
    checkServerIdentity: () => undefined,
  };
  const far = connectTls(options);
  cleanup.push(() => server.close());
  const near = await accepted;
  for (const socket of [near, far]) {
    socket.on('error', () => undefined);
    cleanup.push(() => socket.destroy());
  }
  return { near, far };
}

type Connect = () => Promise<{ near: Socket; far: Socket }>;
const kinds: readonly (readonly [string, Connect, (accepted: Socket) => Socket])[] = [
  ['chunks', connected, (accepted) => accepted],
  ['large pieces', connected, forLargeReads],
  ['large pieces of TLS', secured, (near) => near],
];

describe.each(kinds)('pump in %s', (_name, connect, readable) => {
  it('takes no more than a little while nobody reads, then delivers everything and the end', async () => {
    const [from, to] = [await connect(), await connected()];
    let counted = 0;
    const near = readable(from.near);
    cleanup.push(() => near.destroy());
    pump(near, to.near, (bytes) => (counted += bytes));
    const sent = randomBytes(32 * 2 ** 20);
    from.far.end(sent);
    await waitFor(() => counted > 512 * 1024, { timeoutMs: 20_000, what: 'the first bytes' });
    // It stands still by itself: two looks agree.
    const rest = await waitFor(
      async () => {
        const before = counted;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return before === counted && before;
      },
      { timeoutMs: 20_000, what: 'a standstill' },
    );
    expect(rest).toBeLessThan(4 * 2 ** 20);
    const hash = createHash('sha256');
    to.far.on('data', (data: Buffer) => hash.update(data));
    await once(to.far, 'end');
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(counted).toBe(sent.length);
  });

  it('keeps the bytes of a slow reader as they were sent, whatever their pieces', async () => {
    const [from, to] = [await connect(), await connected()];
    const near = readable(from.near);
    cleanup.push(() => near.destroy());
    pump(near, to.near, () => undefined);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const write = async (): Promise<void> => {
      for (let piece = 1; piece < 400; piece++) {
        const bytes = randomBytes((piece * 7919) % 300_000);
        sent.update(bytes);
        if (!from.far.write(bytes)) await once(from.far, 'drain');
      }
      from.far.end();
    };
    let taken = 0;
    to.far.on('data', (data: Buffer) => {
      received.update(data);
      taken += data.length;
      if (taken < 2 ** 20) return;
      taken = 0;
      to.far.pause();
      setImmediate(() => to.far.resume());
    });
    await Promise.all([write(), once(to.far, 'end')]);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  });

  it('keeps connections apart whose readers are slow at the same time', async () => {
    const pairs = await Promise.all([connect(), connect(), connect(), connect()]);
    const flows: { sent: Buffer; received: Promise<Buffer> }[] = [];
    for (const [index, from] of pairs.entries()) {
      const to = await connected();
      const near = readable(from.near);
      cleanup.push(() => near.destroy());
      pump(near, to.near, () => undefined);
      const sent = Buffer.alloc(3 * 2 ** 20 + index, index + 1);
      from.far.end(sent);
      const received = async (): Promise<Buffer> => {
        const pieces: Buffer[] = [];
        for await (const piece of to.far) {
          pieces.push(piece as Buffer); // no encoding is set
          await new Promise((resolve) => setImmediate(resolve));
        }
        return Buffer.concat(pieces);
      };
      flows.push({ sent, received: received() });
    }
    for (const { sent, received } of flows) expect((await received).equals(sent)).toBe(true);
  });

  it('carries the other direction, also when the first has ended', async () => {
    const [from, to] = [await connect(), await connected()];
    const near = readable(from.near);
    cleanup.push(() => near.destroy());
    pump(near, to.near, () => undefined);
    pump(to.near, near, () => undefined);
    from.far.end('question');
    const asked = to.far.setEncoding('utf8').once('data', (text: string) => to.far.end(`${text} answered`));
    await once(asked, 'end');
    expect(String(await from.far.setEncoding('utf8').toArray())).toBe('question answered');
  });
});

describe('pump', () => {
  it('reads accepted connections of TLS in large pieces with this Node', async () => {
    expect(readLarge((await secured()).near, () => undefined)).toBe(true);
  });

  it.each([
    ['plain', connected, forLargeReads],
    ['plain, in chunks', connected, (near: Socket) => near],
    ['TLS', secured, (near: Socket) => near],
  ] as const)(
    'tells the first byte and loses nothing, even of what ends at once (%s)',
    async (_, connect, readable) => {
      const [from, to, empty] = [await connect(), await connected(), await connect()];
      from.far.end('abc');
      const near = readable(from.near);
      cleanup.push(() => near.destroy());
      expect(await firstByte(near)).toBe(97);
      pump(near, to.near, () => undefined);
      expect(String(await to.far.setEncoding('utf8').toArray())).toBe('abc');
      empty.far.end();
      expect(await firstByte(readable(empty.near))).toBeUndefined();
    },
  );

  it('reads accepted connections in large pieces with this Node', async () => {
    const { near } = await connected();
    const large = forLargeReads(near);
    cleanup.push(() => large.destroy());
    expect(readLarge(large, () => undefined)).toBe(true);
    expect(readLarge(near, () => undefined)).toBe(false);
  });

  it('passes on an end that came before it began', async () => {
    const [from, to] = [await connected(), await connected()];
    from.far.end();
    from.near.resume();
    await once(from.near, 'end');
    pump(from.near, to.near, () => undefined);
    to.far.resume();
    await once(to.far, 'end');
  });
});
