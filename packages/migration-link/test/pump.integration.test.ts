import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, describe, expect, it } from 'vitest';
import { pump } from '../src/pump.ts';

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
  const far = connect({ path: join(directory, 's'), allowHalfOpen: true });
  const near = ((await accepted) as [Socket])[0]; // `connection` carries a socket
  cleanup.push(() => server.close());
  for (const socket of [near, far]) {
    socket.on('error', () => undefined);
    cleanup.push(() => socket.destroy());
  }
  return { near, far };
}

describe('pump', () => {
  it('takes no more than a little while nobody reads, then delivers everything and the end', async () => {
    const [from, to] = [await connected(), await connected()];
    let counted = 0;
    pump(from.near, to.near, (bytes) => (counted += bytes));
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
