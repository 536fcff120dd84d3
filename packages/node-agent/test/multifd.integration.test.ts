import type { MigrationConfiguration } from '@godwit/api';
import type { Machine } from '@godwit/hypervisor';
import { rawFile } from '@godwit/hypervisor/testing';
import { expect, it } from 'vitest';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, type Rig } from './migration/rig.ts';

/** Writes down on how many channels memory is sent. */
function watched({ machine }: Rig, seen: unknown[]): Machine {
  return {
    ...machine,
    startMemory(socketPath, parameters) {
      seen.push(parameters.multifdChannels ?? 0);
      return machine.startMemory(socketPath, parameters);
    },
  };
}

it.each<[string, number, MigrationConfiguration, number]>([
  ['over four channels beside the main one', 4, {}, 4],
  ['over as many without TLS', 4, { disableTLS: true }, 4],
  ['over the main one where post-copy is allowed', 4, { allowPostCopy: true }, 0],
])('a guest moves %s', async (_, multifdChannels, configuration, channels) => {
  await using rig = await createRig({ configuration });
  const seen: unknown[] = [];
  const { source, target } = await rig.start({ source: { machine: watched(rig, seen), multifdChannels } });
  const outcome = await source.done;
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ result: 'succeeded' });
  await target.done;
  expect(seen).toEqual([channels]);
  expect(await expectOneRunner(rig, undefined, target.machine())).toBe('target');
});

it('a guest that cannot move over four channels goes on where it is', async () => {
  await using rig = await createRig({ configuration: { bandwidthPerMigration: '512Ki' } });
  let begun = () => {};
  const seen: unknown[] = [];
  const { source, target } = await rig.start({
    source: {
      machine: watched(rig, seen),
      multifdChannels: 4,
      copyDisks: [],
      onProgress: ({ stage }) => stage === 'CopyingMemory' && begun(),
    },
    target: { prepare: async () => ({ backings: [rawFile(rig.sourceImage)] }) },
  });
  begun = () => {
    begun = () => {};
    const pid = target.machine()?.pid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  };
  const outcome = await source.done;
  await target.done;
  expect(seen).toEqual([4]);
  expect(outcome).toMatchObject({ result: 'failed', sourceRunning: true });
  expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
});

it('a guest whose QEMU never ended such a migration copies nothing, and says what helps', async () => {
  await using rig = await createRig();
  const memory = async () => ({ ...(await rig.machine.memory()), status: 'cancelling' as const });
  const { source, target } = await rig.start({ source: { machine: { ...rig.machine, memory } } });
  const outcome = await source.done;
  await target.done;
  expect(outcome).toMatchObject({ result: 'failed', sourceRunning: true });
  expect(JSON.stringify(outcome)).toContain('only after a restart of the VM');
  expect(JSON.stringify(outcome)).not.toContain('disks in sync');
  expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
});
