import { copyFile, mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { isObject } from '@godwit/core/json';
import { waitFor } from '@godwit/core/wait';
import {
  buildGuestImage,
  defaultCacheDirectory,
  oracleUserData,
  OracleObserver,
  RunnerObserver,
  verifyOracleDisk,
} from '../src/index.ts';
import { writeCidata } from './cidata.ts';
import { TestQemu } from './qemu.ts';
import type { GuestDisks } from './qemu.ts';

const runId = '00000000deadbeef';
const bootMs = 60_000;
let image: string;
let scratch: string;
let machines: TestQemu[];

beforeAll(async () => {
  image = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
});
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'godwit-guest-'));
  machines = [];
});
afterEach(async () => {
  for (const machine of machines) await machine.kill();
  await rm(scratch, { recursive: true, force: true });
});

async function start(name: string, disks: GuestDisks, incoming = false): Promise<TestQemu> {
  const directory = join(scratch, name);
  await mkdir(directory);
  const machine = new TestQemu(directory, disks, incoming);
  machines.push(machine);
  await machine.connect();
  return machine;
}

async function makeDisks(userData?: string): Promise<GuestDisks> {
  const root = join(scratch, 'root.img');
  const data = join(scratch, 'data.img');
  await copyFile(image, root);
  await writeFile(data, '');
  await truncate(data, 64 << 20);
  return { root, data, ...(userData !== undefined && { cidata: await writeCidata(scratch, userData) }) };
}

test('what the oracle acknowledged is on the disk after its QEMU is killed, and damage to it is found', async () => {
  await using observer = await OracleObserver.start({ runId });
  const disks = await makeDisks(
    oracleUserData({ runId, reportPort: observer.port, diskSerial: 'oracle', writesPerSecond: 200 }),
  );
  const machine = await start('a', disks);
  await observer.waitForWrites(300, bootMs);
  await machine.kill();

  const { acknowledged, memoryErrors, pagesChecked, bootIds, regressions } = observer.log.summary();
  expect({ memoryErrors, regressions, boots: bootIds.length }).toEqual({ memoryErrors: 0, regressions: 0, boots: 1 });
  expect(pagesChecked).toBeGreaterThan(0);
  expect(await verifyOracleDisk(disks.data, runId, acknowledged)).toMatchObject({
    checked: acknowledged,
    lost: 0,
    corrupt: 0,
  });
  expect((await verifyOracleDisk(disks.data, runId, acknowledged + 50)).lost).toBeGreaterThan(40);

  // Wipe half of the disk: what was there must be missed.
  await truncate(disks.data, 32 << 20);
  await truncate(disks.data, 64 << 20);
  expect((await verifyOracleDisk(disks.data, runId, acknowledged)).lost).toBeGreaterThan(50);
  await using file = await open(disks.data, 'r+');
  await file.write(Buffer.from([0x5a]), 0, 1, 4096 + 100);
  expect((await verifyOracleDisk(disks.data, runId, acknowledged)).corrupt).toBe(1);
});

test('a live migration shows as one boot, one runner at a time and a short silence', async () => {
  await using observer = await OracleObserver.start({ runId });
  using runners = new RunnerObserver();
  const disks = await makeDisks(oracleUserData({ runId, reportPort: observer.port, diskSerial: 'oracle' }));
  const source = await start('a', disks);
  await observer.waitForWrites(50, bootMs);
  const target = await start('b', disks, true);
  expect(await runners.attach(join(scratch, 'a', 'observe.sock'))).toBe(true);
  expect(await runners.attach(join(scratch, 'b', 'observe.sock'))).toBe(true);

  const uri = `unix:${join(scratch, 'migrate')}`;
  const fromMs = observer.now();
  await target.run('migrate-incoming', { uri });
  await source.run('migrate-set-parameters', { 'max-bandwidth': 1e10, 'downtime-limit': 50 });
  await source.run('migrate', { uri });
  await waitFor(
    async () => {
      const state = await source.run('query-migrate');
      expect(state).not.toMatchObject({ status: 'failed' });
      return isObject(state) && state['status'] === 'completed';
    },
    { timeoutMs: 30_000, what: 'the migration' },
  );
  await target.run('cont');
  await observer.waitForWrites(50, 20_000);
  await source.kill();
  const acknowledged = observer.acknowledged;

  const summary = observer.log.summary();
  expect({
    boots: summary.bootIds.length,
    regressions: summary.regressions,
    memoryErrors: summary.memoryErrors,
  }).toEqual({
    boots: 1,
    regressions: 0,
    memoryErrors: 0,
  });
  expect(runners.runnersMax()).toBe(1);
  expect(runners.pauses()).toHaveLength(1);
  const gap = observer.log.longestGap(fromMs, observer.now());
  expect(gap?.lengthMs).toBeGreaterThan(runners.pauses()[0]!.lengthMs * 0.5);
  expect(await verifyOracleDisk(disks.data, runId, acknowledged)).toMatchObject({ lost: 0, corrupt: 0 });
});

test('two QEMUs that execute at once are seen', async () => {
  const disks = await makeDisks();
  const others = { ...disks, root: join(scratch, 'root2.img'), data: join(scratch, 'data2.img') };
  await copyFile(disks.root, others.root);
  await copyFile(disks.data, others.data);
  await start('a', disks);
  await start('b', others);
  using runners = new RunnerObserver();
  await runners.attachAll([scratch]);
  await waitFor(() => runners.runnersMax() === 2, { timeoutMs: 5000, what: 'both to be seen' });
});

test('without a configuration the guest gives a shell, and the power button ends it', async () => {
  const machine = await start('a', await makeDisks());
  await waitFor(async () => (await machine.console()).includes('godwit:/# '), {
    timeoutMs: bootMs,
    what: 'the prompt',
  });
  expect(await machine.console()).not.toContain('godwit-oracle');
  await machine.run('system_powerdown');
  await machine.exited();
  expect(machine.events).toContain('SHUTDOWN');
  expect(machine.process.exitCode).toBe(0);
});
