import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DiskFilesIo } from '../launcher/disk-files.ts';
import type { MachineRecord } from '../launcher/record.ts';
import { inPlaceDisks } from './in-place-disks.ts';

let pool: string;
beforeEach(() => {
  pool = mkdtempSync(join(tmpdir(), 'node-agent-in-place-disks-'));
  for (const name of ['a-old', 'a-new', 'b-old', 'b-new']) {
    mkdirSync(join(pool, name));
    writeFileSync(join(pool, name, 'disk.img'), Buffer.alloc(4096));
  }
});
afterEach(() => rmSync(pool, { recursive: true }));

const listed = ['a', 'b'].map((volumeName) => ({
  volumeName,
  sourcePVCInfo: { claimName: `${volumeName}-old` },
  destinationPVCInfo: { claimName: `${volumeName}-new` },
}));

/** The casts are safe: only these members are looked at. */
function disksOf(on: Readonly<Record<string, string>>): ReturnType<typeof inPlaceDisks> {
  const vmi = { metadata: { name: 'vm' }, status: { migratedVolumes: listed } };
  const record = {
    spec: { disks: ['a', 'b'].map((name) => ({ name, sizeBytes: 4096, readOnly: false })) },
    backings: Object.entries(on).map(([name, claim]) => ({ name, path: join(pool, claim, 'disk.img') })),
  };
  const io = {
    pools: { nodePool: pool, sharedPool: join(pool, 'none') },
    claims: { get: ({ name }: { name: string }) => ({ metadata: { name }, spec: { volumeName: name } }) },
    volumes: {
      get: ({ name }: { name: string }) => ({
        metadata: { name },
        spec: { capacity: { storage: '4Ki' }, local: { path: join(pool, name) } },
      }),
    },
  };
  return inPlaceDisks(
    vmi as Stored<VirtualMachineInstance>,
    { record: record as unknown as MachineRecord },
    io as unknown as DiskFilesIo,
  );
}

it('a retry copies what is still on its source, and leaves alone what is on its destination', async () => {
  const { disks, onTarget } = await disksOf({ a: 'a-new', b: 'b-old' });
  expect(disks.map(({ name, to }) => [name, to.path])).toEqual([['b', join(pool, 'b-new', 'disk.img')]]);
  expect(onTarget).toEqual(['a']);
});

it('a retry with nothing left to copy is not refused', async () => {
  await expect(disksOf({ a: 'a-new', b: 'b-new' })).resolves.toEqual({ disks: [], onTarget: ['a', 'b'] });
});
