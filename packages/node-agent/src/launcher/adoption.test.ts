import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import type { Machine } from '@godwit/hypervisor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_SPEC, machinesIn } from '../../test/machines-in.ts';
import type { MachineRecord } from './record.ts';

const patience = { timeoutMs: 20_000, intervalMs: 5 };

describe('a machine that does not let itself be adopted', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-adoption-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** One process, and an agent that has just come back to it. */
  function create() {
    const process = Promise.withResolvers<void>();
    const answers = Promise.reject<void>(new Error('QEMU does not answer'));
    answers.catch(() => undefined);
    const qemu = { alive: true, stays: false, looks: 0, answers };
    const said: string[] = [];
    const told: string[] = [];
    // The cast is safe: nothing else of it is used by an adoption.
    const machine = {
      directory: root,
      pid: 1,
      spec: () => EMPTY_SPEC,
      backings: async () => [],
      state: async () => (qemu.alive ? 'running' : 'gone'),
      onEvent: () => () => undefined,
      exited: () => process.promise,
      disconnect: () => undefined,
    } as unknown as Machine;
    const { machines, records } = machinesIn(root, {
      hypervisor: {
        async adopt() {
          qemu.looks += 1;
          if (qemu.alive) await qemu.answers;
          return qemu.alive ? machine : undefined;
        },
        async end() {
          if (qemu.stays) throw new Error('It was killed and has not ended yet');
          qemu.alive = false;
          said.push('gone');
          process.resolve();
        },
      },
      onChange({ state, end }) {
        told.push(state);
        if (state === 'ended') said.push(end?.outcome ?? '');
      },
    });
    const record: MachineRecord = {
      version: 1,
      pod: { namespace: 'ns', name: 'pod', uid: 'uid-1' },
      vmi: { name: 'vm', uid: 'uid-vm' },
      spec: EMPTY_SPEC,
      backings: [],
      runDirectory: root,
      state: 'launched',
    };
    return { machines, records, record, qemu, said, told, machine };
  }

  async function found() {
    const all = create();
    await all.records.write(all.record);
    await all.machines.adoptAll(new Set());
    expect(all.machines.whyReserved('uid-1')).toContain('does not answer');
    return all;
  }

  it('keeps no other one waiting', async () => {
    const hanging = Promise.withResolvers<undefined>();
    const asked: string[] = [];
    const { machines, records } = machinesIn(root, {
      hypervisor: {
        adopt: (directory: string) => {
          // None answers before all have been asked; then none is there.
          if (asked.push(directory) === 3) hanging.resolve(undefined);
          return hanging.promise;
        },
      },
    });
    for (const uid of ['a', 'b', 'c']) {
      const pod = { namespace: 'ns', name: uid, uid };
      await records.write({ ...create().record, pod, runDirectory: join(root, uid) });
    }
    await machines.adoptAll(new Set());
    expect(asked.toSorted()).toEqual(['a', 'b', 'c'].map((uid) => join(root, uid)));
    machines.close();
  });

  it('of a launch that was cut short counts as launched only when its guest runs', async () => {
    const { record, machine } = create();
    const first = machinesIn(root, {
      hypervisor: {
        adopt: async () => ({
          ...machine,
          state: async () => 'paused',
          resume: () => Promise.reject(new Error('The agent is killed')),
        }),
      },
    });
    await first.records.write({ ...record, state: 'launching' });
    await first.machines.adoptAll(new Set());
    first.machines.close();
    let running = false;
    const second = machinesIn(root, {
      hypervisor: {
        adopt: async () => ({ ...machine, state: async () => 'paused', resume: async () => void (running = true) }),
      },
    });
    await second.machines.adoptAll(new Set());
    expect(running).toBe(true);
    expect(await second.records.read('uid-1')).toMatchObject({ state: 'launched' });
    second.machines.close();
  });

  it.each(['launched', 'launching'] as const)(
    'a second time is not taken from the migration that has begun meanwhile (%s)',
    async (state) => {
      const { record, machine } = create();
      let [isFull, resumed, written] = [true, 0, false];
      const { machines, records } = machinesIn(root, {
        hypervisor: {
          adopt: async () => ({ ...machine, state: async () => 'paused', resume: async () => void (resumed += 1) }),
        },
        records: (real) => ({
          ...real,
          async write(next) {
            if (isFull) throw new Error('ENOSPC');
            await real.write(next);
            written = true;
          },
        }),
      });
      isFull = false;
      await records.write({ ...record, state });
      [isFull, written] = [true, false];
      await machines.adoptAll(new Set());
      machines.setCustody('uid-1', 'migration');
      isFull = false;
      await waitFor(() => written, { ...patience, what: 'its record' });
      expect(machines.get('uid-1')?.custody).toBe('migration');
      expect(resumed).toBe(state === 'launching' ? 1 : 0);
      machines.close();
    },
  );

  it('can be killed, and has ended once its process has', async () => {
    const { machines, records, said } = await found();
    await machines.kill('uid-1', 'the pod was deleted');
    expect(said).toEqual(['gone', 'killed']);
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    expect((await records.read('uid-1'))?.end).toMatchObject({ outcome: 'killed', message: 'the pod was deleted' });
    machines.close();
  });

  it('leaves nothing behind when it is killed and forgotten while it is looked for', async () => {
    const { machines, records, qemu, told } = await found();
    // A look that ends only after all of that.
    const answer = Promise.withResolvers<void>();
    const { looks } = qemu;
    qemu.answers = answer.promise;
    await waitFor(() => qemu.looks > looks, { ...patience, what: 'the next look' });
    await machines.kill('uid-1', 'the pod was deleted');
    await machines.forget('uid-1');
    answer.resolve();
    await waitFor(() => told.at(-1) === 'launched', { ...patience, what: 'the end of the search' });
    expect(await records.read('uid-1')).toBeUndefined();
    expect(machines.get('uid-1')).toBeUndefined();
    machines.close();
  });

  it('stays reserved as long as its process does not end', async () => {
    const { machines, records, qemu, said } = await found();
    qemu.stays = true;
    await expect(machines.kill('uid-1', 'the pod was deleted')).rejects.toThrow('has not ended yet');
    expect(machines.whyReserved('uid-1')).toBeDefined();
    expect(await records.read('uid-1')).toMatchObject({ state: 'launched', stopping: 'the pod was deleted' });
    qemu.stays = false;
    await machines.kill('uid-1', 'the pod was deleted');
    expect(said).toEqual(['gone', 'killed']);
    machines.close();
  });

  it('and answers just when it is killed was killed all the same', async () => {
    const { machines, records, qemu, said } = await found();
    qemu.stays = true;
    await expect(machines.kill('uid-1', 'the pod was deleted')).rejects.toThrow();
    qemu.answers = Promise.resolve();
    await waitFor(() => machines.get('uid-1') !== undefined, { ...patience, what: 'it to be held' });
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    expect(machines.get('uid-1')?.record.stopping).toBe('the pod was deleted');
    await waitFor(async () => (await records.read('uid-1'))?.stopping !== undefined, {
      ...patience,
      what: 'its record',
    });
    machines.close();
    expect(said).toEqual([]);
  });

  it('of a migration that has come to nothing keeps its pod no longer', async () => {
    const { machines, record } = create();
    machines.reserve(record, 'its journal cannot be read');
    machines.release('uid-1');
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    machines.close();
  });
});
