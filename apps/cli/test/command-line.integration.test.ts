import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const GODWIT = fileURLToPath(new URL('../bin/godwit.js', import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-cli-'));
});
afterEach(() => {
  godwit('down', '--dir', directory);
  rmSync(directory, { recursive: true, force: true });
});

interface Said {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function godwit(...args: string[]): Said {
  const env = { ...process.env, GODWIT_DIR: directory };
  const { status, stdout, stderr } = spawnSync(process.execPath, [GODWIT, ...args], { encoding: 'utf8', env });
  return { status, out: stdout, err: stderr };
}

describe('purging', () => {
  it('removes nothing of a directory that is not ours', () => {
    mkdirSync(join(directory, 'images'));
    writeFileSync(join(directory, 'images', 'holiday'), '');
    const { status, err } = godwit('down', '--purge');
    expect([status, err]).toEqual([1, `godwit: There are no clusters in ${directory}; nothing was removed\n`]);
    expect(existsSync(join(directory, 'images', 'holiday'))).toBe(true);
  });

  it('removes what godwit made, whatever version made it, and leaves the rest', () => {
    writeFileSync(join(directory, 'state.json'), '{"version":7}');
    mkdirSync(join(directory, 'clusters'));
    writeFileSync(join(directory, 'mine'), '');
    expect(godwit('up', '--detach').err).toContain('was written by another version of godwit');
    expect(godwit('down', '--purge').status).toBe(0);
    expect(readdirSync(directory)).toEqual(['mine']);
  });
});

describe('failures that are nobody’s defect are one line', () => {
  const oneLine = ({ status, err }: Said): string => {
    expect(status).toBe(1);
    expect(err).toMatch(/^godwit: [^\n]+\n$/);
    return err;
  };

  it('of directories', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(oneLine(godwit('up', '--detach', '--dir', join(directory, 'file', 'x')))).toContain('ENOTDIR');
    expect(oneLine(godwit('up', '--detach', '--dir', '/proc/godwit'))).toContain('/proc/godwit');
    writeFileSync(join(directory, 'state.json'), '{"vers');
    for (const command of ['up', 'status', 'logs', 'console x', 'resolve x'])
      expect(oneLine(godwit(...command.split(' ')))).toContain('is damaged');
  });

  it('of the demo’s report', () => {
    expect(oneLine(godwit('demo', '--json', join(directory, 'absent', 'f.json')))).toContain('ENOENT');
  });

  it('of clusters that are not there', () => {
    for (const command of ['kubeconfig', 'console x', 'resolve x'])
      expect(oneLine(godwit(...command.split(' ')))).toContain('"godwit up" makes them');
    const cluster = { name: 'alpha', nodes: ['node1'], apiPort: 1, syncPort: 2 };
    writeFileSync(join(directory, 'state.json'), JSON.stringify({ version: 1, clusters: [cluster] }));
    for (const command of ['console', 'resolve'])
      expect(oneLine(godwit(command, 'x', '--cluster', 'z'))).toContain('no local cluster "z"');
  });
});

it('takes disk images only, and says what it took', () => {
  const disk = join(directory, 'disk');
  writeFileSync(disk, Buffer.alloc(1024));
  expect(godwit('image', 'add', `a.example/b=${disk}`)).toMatchObject({
    status: 0,
    out: `a.example/b now is a copy of ${disk}\n`,
  });
  writeFileSync(disk, 'no disk at all');
  expect(godwit('image', 'add', `c=${disk}`).err).toContain('neither a qcow2 nor a raw disk image (14 bytes)');
  expect(godwit('image', 'add', `c=${directory}`).err).toContain('There is no image file');
  expect(Object.keys(JSON.parse(readFileSync(join(directory, 'images', 'catalogue.json'), 'utf8')) as object)).toEqual([
    'a.example/b',
  ]);
  expect(godwit('image', 'remove', 'a.example/b').status).toBe(0);
});

it('knows its version', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  expect(godwit('--version').out.trim()).toBe(manifest.version);
});

it('is not upset by readers that leave', () => {
  const shell = `"${process.execPath}" "${GODWIT}" --help | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', shell], { encoding: 'utf8' });
  expect([stdout.trim(), stderr]).toEqual(['0', '']);
});

function start(...args: string[]): { pid: number; status: Promise<number | null> } {
  const env = { ...process.env, GODWIT_DIR: directory };
  const child = spawn(process.execPath, [GODWIT, ...args], { stdio: 'ignore', env, detached: true });
  return { pid: child.pid ?? 0, status: new Promise((resolve) => child.once('exit', (code) => resolve(code))) };
}

function processesHere(): string[] {
  const { stdout } = spawnSync('ps', ['-eo', 'args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(`${directory}/`));
}

describe('clusters', () => {
  it('that several start at once are the same, and end without their supervisor', async () => {
    const ups = ['alpha', 'alpha', 'beta'].map((name) => start('up', '--detach', '--nodes', '1', '--clusters', name));
    expect(await Promise.all(ups.map((one) => one.status))).toEqual([0, 0, 0]);
    // The cast is safe: `status -o json` prints this.
    const status = JSON.parse(godwit('status', '-o', 'json').out) as {
      clusters: { name: string; ready: boolean }[];
      processes: { name: string; pid: number }[];
    };
    expect(status.clusters.map(({ name, ready }) => [name, ready])).toEqual(
      expect.arrayContaining([
        ['alpha', true],
        ['beta', true],
      ]),
    );
    expect(processesHere()).toHaveLength(status.processes.length);
    process.kill(status.processes.find(({ name }) => name === 'supervisor')?.pid ?? 0, 'SIGKILL');
    const orphaned = godwit('status');
    expect(orphaned.status).toBe(1);
    expect(orphaned.out).toContain('its supervisor is gone while 6 processes run');
    expect(godwit('down', '--purge').status).toBe(0);
    expect(processesHere()).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  it('that are interrupted while they start are taken down, however often Ctrl-C is pressed', async () => {
    const up = start('up', '--nodes', '1');
    while (!existsSync(join(directory, 'state.json'))) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(-up.pid, 'SIGINT');
    process.kill(-up.pid, 'SIGINT');
    expect(await up.status).toBe(130);
    expect(processesHere()).toEqual([]);
  });
});

describe('clusters that cannot come up', () => {
  it('are told with the process that ends and why, and come up once that is gone', async () => {
    const up = ['up', '--detach', '--nodes', '1'];
    expect(godwit(...up).status).toBe(0);
    expect(godwit('down').status).toBe(0);
    const state = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')) as {
      clusters: { apiPort: number }[];
    };
    const taken = createServer().listen(state.clusters[0]!.apiPort, '127.0.0.1'); // there is one cluster
    await once(taken, 'listening');
    const { status, err } = godwit(...up);
    expect([status, err]).toEqual([1, expect.stringMatching(/alpha\/api-server was started \d+ times .*EADDRINUSE/)]);
    taken.close();
    await once(taken, 'close');
    expect(godwit(...up).status).toBe(0);
  });
});

describe('a supervisor that is killed', () => {
  it('is started again by the `up` that stays, which ends when the clusters are stopped from elsewhere', async () => {
    const env = { ...process.env, GODWIT_DIR: directory };
    const staying = spawn(process.execPath, [GODWIT, 'up', '--nodes', '1'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(staying, 'exit');
    let said = '';
    for (const stream of [staying.stdout, staying.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const hears = (text: string) => waitFor(() => said.includes(text), { timeoutMs: 90_000, what: text });
    await hears('Press Ctrl-C');
    const status = JSON.parse(godwit('status', '-o', 'json').out) as { processes: { name: string; pid: number }[] };
    process.kill(status.processes.find(({ name }) => name === 'supervisor')!.pid, 'SIGKILL'); // `up` has waited for it
    await hears('it runs again');
    expect(godwit('status').status).toBe(0);
    expect(godwit('down').status).toBe(0);
    expect(await ended).toEqual([0, null]);
    expect(said).toContain('Somebody else has stopped the clusters');
  });
});
