import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { createQemuHypervisor, type MachineSpec } from '@godwit/hypervisor';
import { bootSectorSpec, buildBootSectorDisk, rawFile } from '@godwit/hypervisor/testing';
import { convergencePolicy } from '@godwit/migration';
import { expect, it } from 'vitest';
import { mirrorInSync } from '../src/migration/disks/mirror-in-sync.ts';
import { limitWrites } from '../src/migration/disks/write-limits.ts';
import { truncateTo } from './migration/rig.ts';

const MIB = 2 ** 20;
const BYTES = 32 * MIB;

/** The limit of a move, however many disks it has (5.3 #45: other limits, other durations). */
it.each([
  ['16Mi', 3900],
  ['48Mi', 1300],
])('two disks of 32 MiB with a limit of %s take no less than %i ms together', async (bandwidthPerMigration, ms) => {
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-bandwidth-'));
  const path = (name: string) => join(directory, name);
  const hypervisor = await createQemuHypervisor({ log: silentLogger, clock: systemClock });
  await buildBootSectorDisk(path('rootdisk'), BYTES, { ballastBytes: BYTES - MIB, beatsPerWrite: 1000 });
  await copyFile(path('rootdisk'), path('data'));
  const one = bootSectorSpec({ sizeBytes: BYTES });
  const [root] = one.disks;
  if (root === undefined) throw new Error('The guest has no disk');
  const { bootOrder: _first, ...other } = root;
  const spec: MachineSpec = { ...one, disks: [root, { ...other, name: 'data' }] };
  await mkdir(path('vm'), { mode: 0o700 });
  const machine = await hypervisor.launch({
    spec,
    backings: spec.disks.map(({ name }) => rawFile(path(name), name)),
    acceleration: 'tcg',
    directory: path('vm'),
    mode: 'boot',
  });
  try {
    const moves = spec.disks.map(({ name, sizeBytes }) => ({
      name,
      sizeBytes,
      from: rawFile(path(name), name),
      to: rawFile(path(`${name}.new`), name),
    }));
    for (const { to } of moves) await truncateTo(to.path, BYTES);
    const startedMs = performance.now();
    await mirrorInSync({
      machine,
      moves,
      policy: convergencePolicy({ bandwidthPerMigration }),
      writes: limitWrites(machine),
      begunAs: 'background',
      clock: systemClock,
      log: silentLogger,
      signal: new AbortController().signal,
      onLook: async () => undefined,
      endsWithGuest: true,
    });
    // With the whole limit for each disk it would take half of that. The first few MiB of each go at once.
    expect(performance.now() - startedMs).toBeGreaterThan(ms * 0.7);
  } finally {
    await machine.kill();
    await rm(directory, { recursive: true });
  }
});
