import type { DiskBacking, DiskSpec, Machine, MachineEvent, RunState } from '@godwit/hypervisor';
import { waitFor } from '@godwit/core/wait';
import { fakeClock } from '@godwit/reconcile/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_SPEC, machinesIn } from '../../test/machines-in.ts';
import { alignedWith } from './record.ts';
import type { MachineRecord, MachineRecords } from './record.ts';

const request = {
  pod: { namespace: 'ns', name: 'pod', uid: 'uid-1' },
  vmi: { name: 'vm', uid: 'uid-vm' },
  spec: EMPTY_SPEC,
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
    // The cast is safe: nothing else of it is used here.
    const machine = {
      kill: async () => {
        alive = false;
      },
    } as unknown as Machine;
    const launch = async () => {
      alive = true;
      return machine;
    };
    return machinesIn(root, { hypervisor: { launch, end: () => machine.kill() }, records: change }).machines;
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

  it('that hang keep no other from being adopted; their disks count as used until they answer', async () => {
    let hangs = true;
    const backings: DiskBacking[] = [
      { name: 'root', path: '/hanging.img', format: 'raw', driver: 'file', readOnly: false },
    ];
    const recordOf = (uid: string): MachineRecord => ({
      version: 1,
      ...request,
      pod: { ...request.pod, uid },
      backings,
      runDirectory: join(root, uid),
      state: 'launched',
    });
    // The cast is safe: nothing else of it is used by an adoption.
    const adopted = (directory: string) =>
      ({
        directory,
        pid: 1,
        spec: () => EMPTY_SPEC,
        backings: async () => [],
        state: async () => 'running',
        onEvent: () => () => undefined,
        exited: () => new Promise(() => undefined),
        disconnect: () => undefined,
      }) as unknown as Machine;
    const changed: string[] = [];
    const { machines, records } = machinesIn(root, {
      hypervisor: {
        async adopt(directory: string) {
          if (hangs && directory.endsWith('hangs')) throw new Error('QEMU does not answer');
          return adopted(directory);
        },
      },
      onChange: ({ pod }) => changed.push(pod.uid),
    });
    await records.write(recordOf('hangs'));
    await records.write(recordOf('sound'));
    await machines.adoptAll(new Set());
    expect(machines.list().map(({ record }) => record.pod.uid)).toEqual(['sound']);
    expect(machines.whyReserved('hangs')).toContain('does not answer');
    expect(machines.whyReserved('sound')).toBeUndefined();
    expect(machines.uses('/hanging.img')).toBe(true);
    hangs = false;
    await waitFor(() => machines.get('hangs') !== undefined && changed.includes('hangs'), {
      timeoutMs: 20_000,
      intervalMs: 5,
      what: 'the machine to be adopted',
    });
    expect(machines.whyReserved('hangs')).toBeUndefined();
    machines.close();
  });

  it('are ended before their files go: afterwards nobody could find them', async () => {
    alive = true;
    await create().forget('uid-1');
    expect(alive).toBe(false);
  });
});

describe('a machine that a migration answers for', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-machines-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function create() {
    const exit = Promise.withResolvers<void>();
    const guest: { state: RunState; hear: (event: MachineEvent) => void; fails: number } = {
      state: 'running',
      hear: () => undefined,
      fails: 0,
    };
    const end = () => {
      guest.state = 'gone';
      exit.resolve();
    };
    // The cast is safe: nothing else of it is used while it is held.
    const machine = {
      directory: root,
      pid: 1,
      async state() {
        if (guest.fails > 0) {
          guest.fails -= 1;
          throw new Error('QEMU does not answer');
        }
        return guest.state;
      },
      onEvent(listener: typeof guest.hear) {
        guest.hear = listener;
        return () => undefined;
      },
      exited: () => exit.promise,
      kill: async () => end(),
      disconnect: () => undefined,
    } as unknown as Machine;
    const ends: (string | undefined)[] = [];
    const { machines } = machinesIn(root, {
      onChange: ({ state, end: how }) => void (state === 'ended' && ends.push(how?.outcome)),
    });
    const record: MachineRecord = { version: 1, ...request, backings: [], runDirectory: root, state: 'launched' };
    const powersOff = (state: RunState = 'shutdown') => {
      guest.state = state;
      guest.hear({ type: 'shutdown', atMs: 0, guestInitiated: true });
    };
    const ended = (outcome: string) =>
      waitFor(() => ends.includes(outcome), { timeoutMs: 20_000, intervalMs: 5, what: `the end ${outcome}` });
    return { machines, machine, record, guest, end, powersOff, ends, ended };
  }

  it.each([
    ['given back', 'setCustody'],
    ['held as its own', 'hold'],
  ] as const)('whose guest was switched off meanwhile ends once it is %s', async (_, how) => {
    const { machines, machine, record, powersOff, ends, ended } = create();
    machines.hold(machine, record, 'migration');
    powersOff();
    expect(ends).toEqual([]);
    if (how === 'hold') machines.hold(machine, record, 'agent');
    else machines.setCustody('uid-1', 'agent');
    await ended('shutdown');
    expect(machines.get('uid-1')).toBeUndefined();
  });

  it('whose process ended meanwhile has crashed, whoever holds it next', async () => {
    const { machines, machine, record, end, ended } = create();
    machines.hold(machine, record, 'migration');
    end();
    machines.hold(machine, record, 'agent');
    await ended('crashed');
  });

  it('is looked at again when it does not answer', async () => {
    const { machines, machine, record, guest, ended } = create();
    guest.state = 'shutdown';
    guest.fails = 2;
    machines.hold(machine, record, 'agent');
    await ended('shutdown');
  });

  it('and that runs again after its guest was switched off ends as well', async () => {
    const { machines, machine, record, powersOff, ended } = create();
    machines.hold(machine, record, 'migration');
    powersOff('running');
    machines.setCustody('uid-1', 'agent');
    await ended('shutdown');
  });

  it('is left to the next migration, if that takes it before it answers', async () => {
    const { machines, machine, record, guest, ends, ended } = create();
    machines.hold(machine, record, 'migration');
    guest.state = 'shutdown';
    machines.setCustody('uid-1', 'agent');
    machines.setCustody('uid-1', 'migration');
    await Promise.resolve();
    await Promise.resolve();
    expect(ends).toEqual([]);
    expect(guest.state).toBe('shutdown');
    machines.setCustody('uid-1', 'agent');
    await ended('shutdown');
  });
});

describe('the disks of a machine and its record', () => {
  const disk = (name: string, sizeBytes = 1024) => ({ name, sizeBytes, place: { node: 0, unit: 0 } }) as DiskSpec;
  const backing = (name: string, path = `/${name}`): DiskBacking => ({
    name,
    path,
    format: 'raw',
    driver: 'file',
    readOnly: false,
  });
  const record = (disks: DiskSpec[], backings: DiskBacking[]): MachineRecord => ({
    version: 1,
    pod: request.pod,
    vmi: request.vmi,
    runDirectory: '/r',
    state: 'launched',
    spec: { ...EMPTY_SPEC, disks },
    backings,
  });
  // The cast is safe: nothing else of a machine is used here.
  const having = (disks: DiskSpec[], open: DiskBacking[]): Machine =>
    ({ spec: () => ({ ...EMPTY_SPEC, disks }), backings: async () => open }) as unknown as Machine;

  it('agree', async () =>
    expect(
      await alignedWith(record([disk('a')], [backing('a')]), having([disk('a')], [backing('a')])),
    ).toBeUndefined());

  it('are brought in line after a death while a disk came, whichever of both had heard of it', async () => {
    const machine = having([disk('a'), disk('b')], [backing('a'), backing('b')]);
    const wanted = { spec: { disks: [{ name: 'a' }, { name: 'b' }] }, backings: [{ name: 'a' }, { name: 'b' }] };
    expect(await alignedWith(record([disk('a')], [backing('a')]), machine)).toMatchObject(wanted);
    expect(await alignedWith(record([disk('a')], [backing('a'), backing('b')]), machine)).toMatchObject(wanted);
    const never = having([disk('a')], [backing('a')]);
    const { backings } = (await alignedWith(record([disk('a')], [backing('a'), backing('b')]), never)) ?? {};
    expect(backings).toEqual([backing('a')]);
  });

  it('are brought in line after a death while a disk went', async () => {
    const left = having([disk('a')], [backing('a')]);
    const change = await alignedWith(record([disk('a'), disk('b')], [backing('a'), backing('b')]), left);
    expect(change).toMatchObject({ spec: { disks: [{ name: 'a' }] }, backings: [{ name: 'a' }] });
  });

  it('keep what the record knows better: sizes of disks that grew, files of disks that moved', async () => {
    const known = record([disk('a', 4096)], [backing('a', '/moved')]);
    const change = await alignedWith(known, having([disk('a'), disk('b')], [backing('a', '/old'), backing('b')]));
    expect(change).toMatchObject({
      spec: { disks: [{ name: 'a', sizeBytes: 4096 }, { name: 'b' }] },
      backings: [{ name: 'a', path: '/moved' }, { name: 'b' }],
    });
  });
});

it('a machine whose process does not end keeps nobody waiting, and has ended once it does', async () => {
  const root = mkdtempSync(join(tmpdir(), 'node-agent-machines-'));
  try {
    const clock = fakeClock();
    const gone = Promise.withResolvers<void>();
    let kills = 0;
    // The cast is safe: nothing else of it is used here.
    const machine = {
      directory: root,
      onEvent: () => () => undefined,
      exited: () => new Promise(() => undefined),
      disconnect: () => undefined,
      kill: () => {
        kills += 1;
        return gone.promise;
      },
    } as unknown as Machine;
    const { machines, records } = machinesIn(root, { hypervisor: { launch: async () => machine }, clock });
    await machines.launch(request);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const killed = machines.kill('uid-1', 'the pod was deleted');
      const seen = killed.catch((error: unknown) => error);
      let isOver = false;
      void seen.then(() => (isOver = true));
      await waitFor(() => (clock.advance(10_000), isOver), { timeoutMs: 20_000, intervalMs: 5, what: 'an answer' });
      expect(await seen).toMatchObject({ code: 'HYPERVISOR_TIMEOUT', retry: 'backoff' });
    }
    expect(machines.get('uid-1')).toBeDefined();
    expect(kills).toBe(1);
    gone.resolve();
    await machines.kill('uid-1', 'the pod was deleted');
    expect((await records.read('uid-1'))?.end).toMatchObject({ outcome: 'killed', message: 'the pod was deleted' });
    machines.close();
  } finally {
    rmSync(root, { recursive: true });
  }
});
