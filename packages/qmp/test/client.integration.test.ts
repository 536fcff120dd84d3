import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectQmp, type QmpEvent } from '../src/index.ts';
import { startFakeQmpServer } from '../src/testing/fake-qmp-server.ts';

describe('QMP client', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'qmp-'));
    path = join(directory, 'qmp.sock');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('negotiates before anything else and returns replies', async () => {
    await using server = await startFakeQmpServer({
      path,
      reply: () => ({ return: { status: 'running', running: true } }),
    });
    const client = await connectQmp({ path });
    expect(await client.execute('query-status')).toEqual({ status: 'running', running: true });
    expect(server.received.map((command) => command.execute)).toEqual(['qmp_capabilities', 'query-status']);
    client.close();
  });

  it('waits for a socket that does not exist yet', async () => {
    const connecting = connectQmp({ path });
    await using _server = await startFakeQmpServer({ path });
    (await connecting).close();
  });

  it('gives up on a monitor that never greets', async () => {
    await using _server = await startFakeQmpServer({ path, greet: false });
    await expect(connectQmp({ path, timeoutMs: 50 })).rejects.toMatchObject({ code: 'QMP_CONNECT_TIMEOUT' });
  });

  it('stops waiting when the signal says so', async () => {
    const reason = new Error('the process died');
    await expect(connectQmp({ path, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('matches replies to commands by id and survives megabyte replies', async () => {
    const text = 'ü'.repeat(2_000_000);
    await using _server = await startFakeQmpServer({
      path,
      reply: (execute) => (execute === 'human-monitor-command' ? { return: text } : { return: [] }),
    });
    const client = await connectQmp({ path });
    const [jobs, big] = await Promise.all([
      client.execute('query-jobs'),
      client.execute('human-monitor-command', { 'command-line': 'info' }),
    ]);
    expect(jobs).toEqual([]);
    expect(big === text).toBe(true);
    client.close();
  });

  it('turns a refusal into an error with class and description', async () => {
    await using _server = await startFakeQmpServer({
      path,
      reply: () => ({ error: { class: 'GenericError', desc: 'Node not found' } }),
    });
    const client = await connectQmp({ path });
    await expect(client.execute('blockdev-del', { 'node-name': 'x' })).rejects.toMatchObject({
      code: 'QMP_COMMAND_FAILED',
      details: { command: 'blockdev-del', class: 'GenericError', description: 'Node not found' },
    });
    client.close();
  });

  it('rejects what is under way, and what comes later, when the connection is cut', async () => {
    await using server = await startFakeQmpServer({ path, reply: () => undefined });
    const client = await connectQmp({ path });
    const waiting = client.execute('cont');
    server.disconnect();
    await expect(waiting).rejects.toMatchObject({ code: 'QMP_DISCONNECTED' });
    await client.closed;
    await expect(client.execute('stop')).rejects.toMatchObject({ code: 'QMP_DISCONNECTED' });
  });

  it('ends the connection on something that is not JSON', async () => {
    await using server = await startFakeQmpServer({ path, reply: () => undefined });
    const client = await connectQmp({ path });
    const waiting = client.execute('cont');
    server.sendRaw('not json\n');
    await expect(waiting).rejects.toMatchObject({ code: 'QMP_DISCONNECTED', cause: { code: 'QMP_PROTOCOL' } });
  });

  it('times a command out and ignores the late reply', async () => {
    await using server = await startFakeQmpServer({
      path,
      reply: (execute) => (execute === 'cont' ? undefined : { return: [] }),
    });
    const client = await connectQmp({ path, commandTimeoutMs: 50 });
    await expect(client.execute('cont')).rejects.toMatchObject({ code: 'QMP_COMMAND_TIMEOUT' });
    server.sendRaw('{"return": {}, "id": 2}\n');
    expect(await client.execute('query-jobs')).toEqual([]);
    client.close();
  });

  it('sends out-of-band commands past one that hangs', async () => {
    await using server = await startFakeQmpServer({
      path,
      reply: (execute) => (execute === 'blockdev-del' ? undefined : { return: {} }),
    });
    const client = await connectQmp({ path });
    const hanging = client.execute('blockdev-del', { 'node-name': 'x' });
    await client.executeOutOfBand('yank', { instances: [] });
    expect(server.received.map((command) => command.outOfBand)).toEqual([false, false, true]);
    client.close();
    await expect(hanging).rejects.toMatchObject({ code: 'QMP_DISCONNECTED' });
  });

  it('sends out-of-band commands however many wait for an answer, and keeps the others in order', async () => {
    let answering = false;
    await using server = await startFakeQmpServer({
      path,
      reply: (execute) => (answering || execute === 'yank' ? { return: {} } : undefined),
    });
    const client = await connectQmp({ path });
    const cont = client.execute('cont');
    const stop = Array.from({ length: 20 }, () => client.execute('stop'));
    await client.executeOutOfBand('yank', { instances: [] });
    // QEMU reads nothing any more once it has eight of them.
    const inBand = () =>
      server.received.filter(({ execute, outOfBand }) => !outOfBand && execute !== 'qmp_capabilities');
    expect(inBand().length).toBeLessThan(8);
    answering = true;
    server.sendRaw('{"return": {}, "id": 2}\n');
    await cont;
    for (let id = 3; id <= 5; id += 1) server.sendRaw(`{"return": {}, "id": ${id}}\n`);
    await Promise.all(stop);
    expect(inBand().map(({ execute }) => execute)).toEqual(['cont', ...stop.map(() => 'stop')]);
    client.close();
  });

  it('never sends a command that timed out before its turn', async () => {
    await using server = await startFakeQmpServer({
      path,
      reply: (execute) => (execute === 'stop' ? undefined : { return: {} }),
    });
    const client = await connectQmp({ path, commandTimeoutMs: 50 });
    const hanging = await Promise.allSettled(Array.from({ length: 6 }, () => client.execute('stop')));
    expect(hanging.map(({ status }) => status)).toEqual(hanging.map(() => 'rejected'));
    const sent = server.received.filter(({ execute }) => execute === 'stop').length;
    for (let id = 2; id < 2 + sent; id += 1) server.sendRaw(`{"return": {}, "id": ${id}}\n`);
    await client.execute('cont');
    expect(server.received.filter(({ execute }) => execute === 'stop')).toHaveLength(sent);
    expect(sent).toBeLessThan(6);
    client.close();
  });

  it("delivers events with QEMU's timestamp until unsubscribed", async () => {
    await using server = await startFakeQmpServer({ path });
    const client = await connectQmp({ path });
    const seen: QmpEvent[] = [];
    const off = client.onEvent((event) => seen.push(event));
    server.emit('RESUME', {}, { seconds: 12, microseconds: 345_678 });
    await client.execute('query-jobs');
    off();
    server.emit('STOP');
    await client.execute('query-jobs');
    expect(seen).toEqual([{ name: 'RESUME', data: {}, atMs: 12_345.678 }]);
    client.close();
  });
});
