import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { dataSerial, makeSeed, userData } from '../guest/seed.ts';
import { GuestWatch } from '../guest/watch.ts';
import { startLibvirtDaemon } from '../libvirt/daemon.ts';
import type { LibvirtDaemon } from '../libvirt/daemon.ts';
import { domainXml } from '../libvirt/domain-xml.ts';
import { makePki } from '../libvirt/pki.ts';
import type { Operation } from '../samples.ts';
import { command } from '../run-command.ts';
import { moveLimitMs, untilBusy } from './session.ts';
import type { Arena, Moved, Session } from './session.ts';

export interface LibvirtPair extends AsyncDisposable {
  session(arena: Arena): Promise<Session>;
}

/** Two daemons as if on two hosts. */
export async function startLibvirtPair(directory: string): Promise<LibvirtPair> {
  const pki = join(directory, 'pki');
  await makePki(pki);
  const owned = new AsyncDisposableStack();
  try {
    const a = owned.use(await startLibvirtDaemon(join(directory, 'a'), 'a', { pki, migrationPort: 49_300 }));
    const b = owned.use(await startLibvirtDaemon(join(directory, 'b'), 'b', { pki, migrationPort: 49_400 }));
    return {
      session: (arena) => startSession(arena, [a, b]),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  } catch (error) {
    await owned.disposeAsync();
    throw error;
  }
}

interface Place {
  readonly name: string;
  readonly data: string;
  at: 0 | 1;
  resting: boolean;
}

async function startSession(arena: Arena, daemons: readonly [LibvirtDaemon, LibvirtDaemon]): Promise<Session> {
  const { directory, spec } = arena;
  const home = join(directory, `virsh-${spec.name}`);
  await mkdir(home, { recursive: true });
  const watch = await GuestWatch.start(arena.runId);
  const seed = await makeSeed(home, 'seed', userData(spec.load, arena.runId, watch.port));
  const root = join(home, 'root.img');
  await copyFile(arena.guestImage, root);
  let count = 0;
  let place: Place | undefined;
  let leftOver: string | undefined;
  const uuid = randomUUID();
  const xml = (name: string, data: string): string =>
    domainXml(name, uuid, spec.load.memoryMib, { root, data, seed }, dataSerial);
  const must = async (daemon: LibvirtDaemon, ...parameters: string[]): Promise<void> => {
    const { status, output } = await daemon.virsh(moveLimitMs(spec), ...parameters);
    if (status !== 0) throw new GodwitError('BENCH_VIRSH_FAILED', `virsh ${parameters[0] ?? ''}: ${output}`);
  };

  async function boot(): Promise<void> {
    watch.forget();
    const data = join(home, `data-${++count}.img`);
    await command('cp', '--sparse=always', arena.original, data);
    const name = `bench-${spec.name}-${count}`;
    const file = join(home, 'domain.xml');
    await writeFile(file, xml(name, data));
    await must(daemons[0], 'create', file);
    place = { name, data, at: 0, resting: false };
    await untilBusy(watch, spec);
  }

  async function migrate(now: Place, tls: boolean): Promise<Moved> {
    const other = now.at === 0 ? 1 : 0;
    const target = spec.fill === undefined ? now.data : join(home, `data-${++count}.img`);
    const file = join(home, 'target.xml');
    await writeFile(file, xml(now.name, target));
    const startedMs = performance.now();
    if (target !== now.data) {
      await writeFile(target, '');
      await truncate(target, arena.diskMib * 2 ** 20);
    }
    const storage = target === now.data ? [] : ['--copy-storage-all', '--migrate-disks', 'vdb'];
    await must(
      daemons[now.at],
      'migrate',
      '--live',
      '--unsafe',
      ...storage,
      ...(tls ? ['--tls', '--tls-destination', 'localhost'] : []),
      '--xml',
      file,
      '--migrateuri',
      'tcp://127.0.0.1',
      '--listen-address',
      '127.0.0.1',
      now.name,
      daemons[other].uri,
    );
    const doneMs = performance.now();
    if (target !== now.data) leftOver = now.data;
    place = { ...now, data: target, at: other };
    return { startedMs, doneMs, disk: target, ...(target === now.data ? {} : { source: now.data }) };
  }

  async function blockcopy(now: Place): Promise<Moved> {
    const target = join(home, `data-${++count}.img`);
    const startedMs = performance.now();
    await must(
      daemons[now.at],
      'blockcopy',
      now.name,
      'vdb',
      '--dest',
      target,
      '--format',
      'raw',
      '--wait',
      '--pivot',
      '--transient-job',
    );
    const doneMs = performance.now();
    leftOver = now.data;
    place = { ...now, data: target };
    return { startedMs, doneMs, source: now.data, disk: target };
  }

  async function abandon(): Promise<void> {
    const lost = place;
    place = undefined;
    if (lost === undefined) return;
    for (const daemon of daemons) await daemon.virsh(20_000, 'destroy', lost.name);
    await rm(lost.data, { force: true });
  }

  return {
    watch,
    async wake() {
      if (place === undefined) return boot();
      if (!place.resting) return;
      await must(daemons[place.at], 'resume', place.name);
      place.resting = false;
    },
    async move(operation: Operation) {
      if (place === undefined) throw new GodwitError('BENCH_NO_GUEST', 'There is no guest');
      if (operation === 'virsh-blockcopy') return blockcopy(place);
      return migrate(place, operation === 'virsh-tls');
    },
    async rest() {
      if (place === undefined) return;
      await must(daemons[place.at], 'suspend', place.name);
      place.resting = true;
    },
    async tidy() {
      if (leftOver !== undefined) await rm(leftOver, { force: true });
      leftOver = undefined;
    },
    abandon,
    async [Symbol.asyncDispose]() {
      await abandon();
      await watch[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}
