import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine, RunState } from '@godwit/hypervisor';
import { machinesIn } from '../../test/machines-in.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Machines } from '../launcher/machines.ts';
import type { MachineRecord } from '../launcher/record.ts';
import { runVerb } from './verbs.ts';

describe('a guest verb that comes while a migration begins', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-verbs-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function create(first: RunState) {
    let state = first;
    let answered: Promise<void> | undefined;
    let asked: () => void = () => undefined;
    const become = (next: RunState) => async () => void (state = next);
    // The casts are safe: nothing else of them is used by these verbs.
    const machine = {
      directory: root,
      async state() {
        asked();
        await answered;
        return state;
      },
      pause: become('paused'),
      resume: become('running'),
      onEvent: () => () => undefined,
      exited: () => new Promise(() => undefined),
    } as unknown as Machine;
    const { machines } = machinesIn(root, {});
    const record: MachineRecord = {
      version: 1,
      pod: { namespace: 'ns', name: 'pod', uid: 'u' },
      vmi: { name: 'vm', uid: 'v' },
      spec: {} as MachineRecord['spec'],
      backings: [],
      runDirectory: root,
      state: 'launched',
    };
    machines.hold(machine, record, 'agent');
    /** What every migration does first: from this look on the guest is its own. */
    const begin = () =>
      machines.exclusively('u', async () => {
        machines.setCustody('u', 'migration');
        return machine.state();
      });
    /** From now on it answers when it is told to. */
    function answer() {
      const [ready, look] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      answered = ready.promise;
      asked = look.resolve;
      return { asked: look.promise, resolve: ready.resolve };
    }
    return { machines, begin, state: () => state, answer };
  }

  it.each([
    ['pause', 'running'],
    ['unpause', 'paused'],
  ] as const)('%s is refused when it is late: the guest stays as the migration found it', async (verb, first) => {
    const { machines, begin, state } = create(first);
    const begun = begin();
    const late = runVerb(machines, verb, 'ns', 'vm');
    await expect(late).rejects.toMatchObject({ code: 'GUEST_REFUSED' });
    expect(await begun).toBe(first);
    expect(state()).toBe(first);
    expect(machines.get('u')?.record.pausedByUser).toBeUndefined();
  });

  it.each([
    ['pause', 'running', 'paused'],
    ['unpause', 'paused', 'running'],
  ] as const)('%s is over before the migration looks at the guest', async (verb, first, then) => {
    const { machines, begin } = create(first);
    const early = runVerb(machines, verb, 'ns', 'vm');
    expect(await begin()).toBe(then);
    await early;
    expect(machines.get('u')?.record.pausedByUser).toBe(then === 'paused');
  });

  /** Somebody else is at work on the machine, for as long as it takes. */
  function occupy(machines: Machines) {
    const work = Promise.withResolvers<void>();
    const turn = machines.exclusively('u', () => work.promise);
    return async () => {
      work.resolve();
      await turn;
      await machines.exclusively('u', async () => undefined);
    };
  }

  it('does not wait for ever, and what was refused is not done afterwards', async () => {
    const { machines, state } = create('running');
    const release = occupy(machines);
    const refused = runVerb(machines, 'pause', 'ns', 'vm', { turnMs: 10 });
    await expect(refused).rejects.toMatchObject({ code: 'GUEST_REFUSED', message: expect.stringContaining('busy') });
    await release();
    expect(state()).toBe('running');
  });

  it('is not done for somebody who has gone', async () => {
    const { machines, state } = create('running');
    const release = occupy(machines);
    const asker = new AbortController();
    const late = runVerb(machines, 'pause', 'ns', 'vm', { asker: asker.signal });
    asker.abort(new Error('gone'));
    await expect(late).rejects.toThrow('gone');
    await release();
    expect(state()).toBe('running');
  });

  it('is not done for somebody who has gone while the guest was looked at', async () => {
    const { machines, state, answer } = create('running');
    const answers = answer();
    const asker = new AbortController();
    const late = runVerb(machines, 'pause', 'ns', 'vm', { asker: asker.signal });
    await answers.asked;
    asker.abort(new Error('gone'));
    answers.resolve();
    await expect(late).rejects.toThrow('gone');
    expect(state()).toBe('running');
  });
});
