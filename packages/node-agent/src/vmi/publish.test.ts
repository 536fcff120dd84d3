import { findCondition, resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import type { RunState } from '@godwit/hypervisor';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { fakeClock } from '@godwit/reconcile/testing';
import { describe, expect, it } from 'vitest';
import type { HeldMachine } from '../launcher/held-machines.ts';
import { EMPTY_SPEC } from '../../test/machines-in.ts';
import { publishRunning } from './publish.ts';

function create(
  status: VirtualMachineInstance['status'] = { phase: 'Running', nodeName: 'n1' },
  finalizers?: string[],
) {
  const kube = createMemoryKube();
  kube.seed({
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns', ...(finalizers && { finalizers }) },
    spec: { domain: { devices: {} } },
    status,
  });
  const events: (readonly string[])[] = [];
  const now = async (): Promise<Stored<VirtualMachineInstance>> => {
    const vmi = await kube.client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'vm', 'ns');
    if (!vmi) throw new Error('the VMI is gone');
    return vmi;
  };
  return {
    kube,
    events,
    now,
    /** Tells of a machine that says this of itself. */
    publish: async (state: () => Promise<RunState>, clock: Clock = fakeClock(0)): Promise<void> => {
      const vmi = await now();
      const record = {
        vmi: { name: 'vm', uid: vmi.metadata.uid },
        pod: { name: 'p', uid: 'p' },
        spec: EMPTY_SPEC,
        backings: [],
      };
      // The casts are safe: this guest has no volumes, and nothing else of its machine is used.
      await publishRunning(
        {
          client: kube.client,
          events: { record: (_: unknown, ...event: string[]) => void events.push(event) },
        } as never,
        vmi,
        { machine: { state }, record } as unknown as HeldMachine,
        'n1',
        clock,
      );
    },
    ready: async () => findCondition((await now()).status?.conditions, 'Ready'),
  };
}

const hangs = () => Promise.reject<RunState>(new GodwitError('HYPERVISOR_TIMEOUT', 'QEMU of vm does not answer'));

describe('a guest whose QEMU does not answer', () => {
  it('is not ready, and its VMI says why and what helps, until it answers', async () => {
    const { publish, ready, events } = create();
    await publish(hangs);
    expect(await ready()).toMatchObject({
      status: 'False',
      reason: 'GuestNotAnswering',
      message: expect.stringMatching(/node n1: QEMU of vm does not answer.*delete/),
    });
    await publish(hangs);
    expect(events).toEqual([['Warning', 'GuestNotAnswering', (await ready())?.message]]);
    await publish(async () => 'running');
    expect(await ready()).toMatchObject({ status: 'True' });
  });

  it('is not waited for any longer than that takes', async () => {
    const { publish, ready } = create();
    const clock = fakeClock(0);
    await publish(() => {
      queueMicrotask(() => clock.advance(10_000));
      return new Promise(() => undefined);
    }, clock);
    expect(await ready()).toMatchObject({ reason: 'GuestNotAnswering' });
  });

  it.each([
    ['that its controller has not seen running', { phase: 'Scheduled', nodeName: 'n1' } as const],
    ['that has gone to another node', { phase: 'Running', nodeName: 'n2' } as const],
  ])('%s is for others to tell of', async (_, status) => {
    const { publish, ready, events } = create(status);
    await publish(hangs);
    expect([await ready(), events]).toEqual([undefined, []]);
  });

  it('that is being deleted is for its controller to tell of', async () => {
    const { kube, publish, ready, events } = create(undefined, ['example.org/wait']);
    await kube.client.delete(resources.virtualMachineInstances, 'vm', 'ns');
    await publish(hangs);
    expect([await ready(), events]).toEqual([undefined, []]);
  });

  it('for another reason than time is not told of as one that hangs', async () => {
    const { publish, ready } = create();
    await expect(publish(() => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
    expect(await ready()).toBeUndefined();
  });
});
