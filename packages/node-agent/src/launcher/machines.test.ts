import type { Hypervisor, Machine } from '@godwit/hypervisor';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMachines } from './machines.ts';
import { createMachineRecords } from './record.ts';
import type { MachineRecords } from './record.ts';

const spec = {
  name: 'vm',
  uuid: '',
  machineType: 'q35',
  cpu: { model: 'max', sockets: 1, cores: 1, threads: 1 },
  memoryKiB: 1,
  disks: [],
  nics: [],
  rng: false,
  serial: undefined,
};
const request = {
  pod: { namespace: 'ns', name: 'pod', uid: 'uid-1' },
  vmi: { name: 'vm', uid: 'uid-vm' },
  spec,
  backings: [],
  mode: 'boot' as const,
};

describe('machines whose record is in doubt', () => {
  let root: string;
  let alive: boolean;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-machines-'));
    alive = false;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function create(change: (records: MachineRecords) => MachineRecords = (records) => records) {
    // The casts are safe: nothing else of them is used here.
    const machine = {
      kill: async () => {
        alive = false;
      },
    } as unknown as Machine;
    const hypervisor = {
      launch: async () => {
        alive = true;
        return machine;
      },
      adopt: async () => (alive ? machine : undefined),
    } as unknown as Hypervisor;
    return createMachines({
      hypervisor,
      acceleration: 'tcg',
      records: change(createMachineRecords(join(root, 'vms'))),
      runRoot: join(root, 'run'),
      clock: systemClock,
      log: silentLogger,
      onChange: () => undefined,
    });
  }

  it('are ended when their start cannot be recorded: a successor would run beside them', async () => {
    const machines = create((records) => ({
      ...records,
      write: async (record) => {
        if (record.state === 'launched') throw new Error('ENOSPC');
        await records.write(record);
      },
    }));
    await expect(machines.launch(request)).rejects.toThrow('ENOSPC');
    expect(alive).toBe(false);
  });

  it('are ended before their files go: afterwards nobody could find them', async () => {
    alive = true;
    await create().forget('uid-1');
    expect(alive).toBe(false);
  });
});
