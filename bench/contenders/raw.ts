import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createQemuHypervisor, guestMemoryKiB } from '@godwit/hypervisor';
import type { DiskBacking, Machine, MachineSpec } from '@godwit/hypervisor';
import { migrationUri, startCarrier } from '@godwit/migration-link';
import { createTestAuthority } from '@godwit/migration-link/testing';
import { dataSerial, makeSeed, userData } from '../guest/seed.ts';
import { GuestWatch } from '../guest/watch.ts';
import { command } from '../run-command.ts';
import { untilBusy } from './session.ts';
import type { Arena, Moved, Session } from './session.ts';

const DISK = 'data';
const LOOK_MS = 5;
const PATIENCE_MS = 120_000;

/** The bare QMP sequence through our own engine and carriers: what remains of a move without objects, queues and journals. */
export async function startRawSession(arena: Arena): Promise<Session> {
  const { spec } = arena;
  const home = join(arena.directory, `raw-${spec.name}`);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const watch = await GuestWatch.start(arena.runId);
  const seed = await makeSeed(home, 'seed', userData(spec.load, arena.runId, watch.port));
  const root = join(home, 'root.img');
  await copyFile(arena.guestImage, root);
  const hypervisor = await createQemuHypervisor({ log: silentLogger, clock: systemClock });
  const authority = await createTestAuthority();
  const identity = { id: 'bench', namespace: 'default', name: 'bench' };
  const credentials = {
    source: await authority.issue(identity, 'source'),
    target: await authority.issue(identity, 'target'),
  };
  const { version } = hypervisor;
  const memoryKiB = guestMemoryKiB(spec.load.memoryMib * 2 ** 20, 'tcg', version);
  const machineSpec = describeMachine(arena, memoryKiB, `pc-q35-${version.major}.${version.minor}`);
  let count = 0;
  let now: { readonly machine: Machine; readonly data: string; resting: boolean } | undefined;
  let leftOver: string | undefined;
  const alive = new Set<Machine>();

  async function launch(data: string, mode: 'boot' | 'incoming'): Promise<Machine> {
    const directory = join(home, `m${++count}`);
    await mkdir(directory, { mode: 0o700 });
    const backing = (name: string, path: string, readOnly = false): DiskBacking => ({
      name,
      path,
      format: 'raw',
      driver: 'file',
      readOnly,
    });
    const backings = [backing('root', root), backing(DISK, data), backing('seed', seed, true)];
    const machine = await hypervisor.launch({ spec: machineSpec, backings, acceleration: 'tcg', directory, mode });
    alive.add(machine);
    void machine.exited().then(() => alive.delete(machine));
    return machine;
  }

  async function carriers(to: Machine, problem: (reason: string) => void) {
    const sockets = (directory: string, side: string) => ({
      memory: join(directory, `${side}-mem.sock`),
      block: join(directory, `${side}-nbd.sock`),
    });
    const target = await startCarrier(
      {
        role: 'target',
        host: '127.0.0.1',
        sockets: sockets(to.directory, 'to'),
        tls: { credentials: credentials.target, peerUri: migrationUri(identity, 'source') },
      },
      problem,
    );
    const ports = target.ports;
    if (ports === undefined) throw new GodwitError('BENCH_CARRIER_FAILED', 'The carrier has no ports');
    const source = await startCarrier(
      {
        role: 'source',
        host: '127.0.0.1',
        ports,
        sockets: sockets(to.directory, 'from'),
        tls: { credentials: credentials.source, peerUri: migrationUri(identity, 'target') },
      },
      problem,
    );
    return { target, source };
  }

  async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
    await waitFor(probe, { timeoutMs: PATIENCE_MS, intervalMs: LOOK_MS, what });
  }
  const sending = (machine: Machine, status: string) => async (): Promise<boolean> => {
    const memory = await machine.memory();
    if (memory.status === 'failed') throw new GodwitError('BENCH_MOVE_FAILED', memory.error ?? 'memory failed');
    return memory.status === status;
  };

  async function sendMemory(machine: Machine, socket: string): Promise<void> {
    let downtimeLimitMs = 30;
    await machine.startMemory(socket, { downtimeLimitMs, autoConverge: false });
    let raisedMs = performance.now();
    const paused = sending(machine, 'pre-switchover');
    await until('the pause', async () => {
      if (await paused()) return true;
      if (performance.now() - raisedMs < 1000) return false;
      raisedMs = performance.now();
      downtimeLimitMs = Math.min(900, downtimeLimitMs * 2);
      await machine.setMigrateParameters({ downtimeLimitMs });
      return false;
    });
  }

  async function move(): Promise<Moved> {
    if (now === undefined) throw new GodwitError('BENCH_NO_GUEST', 'There is no guest');
    const from = now;
    const data = join(home, `data-${++count}.img`);
    let problem: string | undefined;
    const startedMs = performance.now();
    await writeFile(data, '');
    await truncate(data, arena.diskMib * 2 ** 20);
    const to = await launch(data, 'incoming');
    const link = await carriers(to, (reason) => (problem ??= reason));
    try {
      await to.exportDisks(link.target.sockets.block, [DISK]);
      await to.acceptMemory(link.target.sockets.memory);
      await from.machine.startMirror(DISK, { kind: 'nbd', socketPath: link.source.sockets.block, export: DISK });
      await until('the mirror', async () => {
        const mirror = (await from.machine.mirrors())[0];
        if (mirror?.error !== undefined) throw new GodwitError('BENCH_MOVE_FAILED', problem ?? mirror.error);
        return mirror?.ready === true;
      });
      await sendMemory(from.machine, link.source.sockets.memory);
      await from.machine.finishMirror(DISK);
      await to.stopExport();
      await from.machine.continueSwitchover();
      await until('the source to be done', sending(from.machine, 'completed'));
      await until('the target to be done', sending(to, 'completed'));
      await to.resume();
      const runsMs = performance.now();
      now = { machine: to, data, resting: false };
      leftOver = from.data;
      await from.machine.kill();
      const doneMs = performance.now();
      return { startedMs, runsMs, doneMs, source: from.data, disk: data };
    } catch (error) {
      await to.kill().catch(() => undefined);
      throw error;
    } finally {
      await link.source.close();
      await link.target.close();
    }
  }

  async function abandon(): Promise<void> {
    const lost = now;
    now = undefined;
    if (lost === undefined) return;
    await lost.machine.kill();
    await rm(lost.data, { force: true });
  }

  return {
    watch,
    async wake() {
      if (now === undefined) {
        watch.forget();
        const data = join(home, `data-${++count}.img`);
        await command('cp', '--sparse=always', arena.original, data);
        now = { machine: await launch(data, 'boot'), data, resting: false };
        return untilBusy(watch, spec);
      }
      if (now.resting) await now.machine.resume();
      now.resting = false;
    },
    move,
    async rest() {
      if (now === undefined) return;
      await now.machine.pause();
      now.resting = true;
    },
    async tidy() {
      if (leftOver !== undefined) await rm(leftOver, { force: true });
      leftOver = undefined;
    },
    abandon,
    async [Symbol.asyncDispose]() {
      await abandon();
      // Of a move that was interrupted there are two.
      await Promise.all([...alive].map((machine) => machine.kill()));
      await watch[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function describeMachine(arena: Arena, memoryKiB: number, machineType: string): MachineSpec {
  const disk = { device: 'disk', bus: 'virtio', readOnly: false, cache: 'none' } as const;
  return {
    name: `bench-${arena.spec.name}`,
    uuid: randomUUID(),
    machineType,
    cpu: { model: 'max', sockets: 1, cores: 1, threads: 1 },
    memoryKiB,
    disks: [
      { ...disk, name: 'root', bootOrder: 1, sizeBytes: 32 << 20 },
      { ...disk, name: DISK, serial: dataSerial, sizeBytes: arena.diskMib * 2 ** 20 },
      { ...disk, name: 'seed', readOnly: true, sizeBytes: 1440 * 1024 },
    ],
    nics: [{ name: 'default', mac: '52:54:00:be:0c:01', model: 'virtio-net-pci', backend: 'user', forwards: [] }],
    rng: true,
    serial: undefined,
  };
}
