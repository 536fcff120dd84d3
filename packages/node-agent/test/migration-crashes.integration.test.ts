import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Machine } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import { recoverMigrations, startSource, startTarget, type RunningMigration } from '../src/migration/index.ts';
import { agentOf, killAgentIn, portsOf } from './migration/agent-handle.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, type Rig } from './migration/rig.ts';

/** What a restarted agent does: adopts its machine and takes up what its journal says. */
async function restart(
  rig: Rig,
  journalDir: string,
  directory: string,
): Promise<{ migration: RunningMigration; machine: Machine | undefined }> {
  let machine: Machine | undefined;
  const found = await recoverMigrations({
    journalDir,
    hypervisor: rig.hypervisor,
    machineAt: async (asked) => {
      expect(asked).toBe(directory);
      return (machine = await rig.hypervisor.adopt(asked));
    },
    log: silentLogger,
  });
  const migration = found[0];
  if (migration === undefined) throw new Error('Nothing was recovered');
  rig.onEnd(() => migration.close());
  rig.track(machine);
  return { migration, machine };
}

describe('kill -9 of the source agent', () => {
  it.each([
    ['Preparing', 'source'],
    ['Converging', 'source'],
    ['SwitchingOver', 'source'],
    ['Recording', 'target'],
    ['HandingOver', 'target'],
  ])('in %s ends with the guest running on the %s', async (haltIn, expected) => {
    await using rig = await createRig();
    const target = startTarget(rig.targetOptions());
    rig.onEnd(async () => {
      await target.close();
      await target.machine()?.kill();
    });
    const ports = await target.listening;
    await killAgentIn(rig, 'source', { target: { host: '127.0.0.1', ports }, haltIn });
    const { migration, machine } = await restart(rig, rig.journals.source, rig.machine.directory);
    const outcome = await migration.done;
    const arrived = await target.done;
    expect([outcome.result, arrived.result]).toEqual(
      expected === 'target' ? ['succeeded', 'running'] : ['failed', 'aborted'],
    );
    expect(await expectOneRunner(rig, machine, target.machine())).toBe(expected);
  });
});

async function targetAgent(rig: Rig, haltIn: string) {
  const agent = await agentOf(rig, 'target', { haltIn });
  const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: await portsOf(agent) }));
  rig.onEnd(() => source.close());
  return { agent, source };
}

describe('kill -9 of the target agent', () => {
  it.each([
    ['Preparing', 'source'],
    ['Receiving', 'source'],
    ['Committed', 'target'],
    ['Running', 'target'],
  ])('in %s ends with the guest running on the %s', async (haltIn, expected) => {
    await using rig = await createRig();
    const { agent, source } = await targetAgent(rig, haltIn);
    await agent.said('halted');
    await agent.kill();
    const { migration, machine } = await restart(rig, rig.journals.target, rig.targetDirectory);
    const [outcome, arrived] = await Promise.all([source.done, migration.done]);
    expect([outcome.result, arrived.result]).toEqual(
      expected === 'target' ? ['succeeded', 'running'] : ['failed', 'aborted'],
    );
    expect(await expectOneRunner(rig, rig.machine, machine)).toBe(expected);
  });

  it('between ready and commit is undone: the source, told or not, ends where the target agent says', async () => {
    await using rig = await createRig();
    const { agent, source } = await targetAgent(rig, 'Ready');
    await agent.said('halted');
    await agent.kill();
    const { migration, machine } = await restart(rig, rig.journals.target, rig.targetDirectory);
    const [outcome, arrived] = await Promise.all([source.done, migration.done]);
    const where = await expectOneRunner(rig, rig.machine, machine);
    expect([outcome.result, arrived.result]).toEqual(
      where === 'target' ? ['succeeded', 'running'] : ['failed', 'aborted'],
    );
  });

  it('between recording the commit and resuming runs the guest after the restart', async () => {
    await using rig = await createRig();
    const { agent, source } = await targetAgent(rig, 'Ready');
    await agent.said('halted');
    // Only a source that has given its guest up sends a commit.
    await waitFor(() => source.status().phase === 'HandingOver', { timeoutMs: 10_000, what: 'the handover' });
    // What is on disk when it dies right after the record: the record, and a loaded, paused QEMU.
    const path = join(rig.journals.target, `target-${rig.identity.id}.record.json`);
    const record: object = JSON.parse((await readFile(path, 'utf8')).trimEnd().split('\n').at(-1) ?? '');
    await appendFile(path, `${JSON.stringify({ ...record, record: 'commit' })}\n`);
    await agent.kill();
    const { migration, machine } = await restart(rig, rig.journals.target, rig.targetDirectory);
    await expect(migration.done).resolves.toMatchObject({ result: 'running' });
    await expect(source.done).resolves.toMatchObject({ result: 'succeeded' });
    expect(await expectOneRunner(rig, rig.machine, machine)).toBe('target');
  });
});

describe('a target that keeps nothing of the migration any more', () => {
  it('has the guest: a source that has not heard it learns it from the record, and ends its QEMU', async () => {
    await using rig = await createRig();
    const target = startTarget(rig.targetOptions());
    rig.onEnd(() => target.machine()?.kill());
    const ports = await target.listening;
    await killAgentIn(rig, 'source', { target: { host: '127.0.0.1', ports }, haltIn: 'HandingOver' });
    await expect(target.done).resolves.toMatchObject({ result: 'running' });
    await target.close();
    const { migration, machine } = await restart(rig, rig.journals.source, rig.machine.directory);
    if (migration.role !== 'source') throw new Error('Another side was recovered');
    await waitFor(() => migration.status().undecided, { timeoutMs: 60_000, what: 'the source to be undecided' });
    migration.hear('whole');
    await expect(migration.done).resolves.toMatchObject({ result: 'succeeded' });
    expect(await machine?.state()).toBe('gone');
    expect(await expectOneRunner(rig, machine, target.machine())).toBe('target');
  });

  it('never ran: a source that has not heard it learns it from the record, and runs', async () => {
    await using rig = await createRig();
    const { agent, source } = await targetAgent(rig, 'Ready');
    await agent.said('halted');
    await waitFor(() => source.status().phase === 'HandingOver', { timeoutMs: 60_000, what: 'the handover' });
    await agent.kill();
    const fenced = await rig.hypervisor.adopt(rig.targetDirectory);
    await fenced?.kill();
    source.hear('aborted');
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });
});

describe('an agent that never comes back', () => {
  it('leaves the source paused and undecided until a human, who fenced the target, lets it run', async () => {
    await using rig = await createRig();
    const { agent, source } = await targetAgent(rig, 'Ready');
    await agent.said('halted');
    await waitFor(() => source.status().phase === 'HandingOver', { timeoutMs: 10_000, what: 'the handover' });
    await expect(source.resolve('resume-source')).rejects.toMatchObject({ code: 'MIGRATION_NOT_UNDECIDED' });
    await agent.kill();
    await waitFor(() => source.status().undecided, { timeoutMs: 30_000, what: 'the source to be undecided' });
    expect(await rig.machine.state()).toBe('postmigrate');
    const fenced = await rig.hypervisor.adopt(rig.targetDirectory);
    expect(await fenced?.state()).toBe('paused');
    await fenced?.kill();
    await source.resolve('resume-source');
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });
});
