import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import { describe, expect, it } from 'vitest';
import { recoverMigrations, startSource, startTarget, type RunningMigration } from '../src/migration/index.ts';
import { agentOf, killAgentIn, portsOf } from './migration/agent-handle.ts';
import { createRig, type Rig } from './migration/rig.ts';

/** The agent of that side comes back after its certificate has expired, and is given another one. */
async function comeBackLate(rig: Rig, role: 'source' | 'target'): Promise<RunningMigration> {
  const journalDir = rig.journals[role];
  const path = join(journalDir, `${role}-${rig.identity.id}.context.json`);
  // The cast is safe: the journal keeps what the agent began with.
  const context = JSON.parse(await readFile(path, 'utf8')) as object;
  const credentials = await rig.authority.issue(rig.identity, role, undefined, -1 / 3600);
  await writeFile(path, JSON.stringify({ ...context, credentials }));
  const [migration] = await recoverMigrations({
    journalDir,
    hypervisor: rig.hypervisor,
    async machineAt(directory) {
      const machine = await rig.hypervisor.adopt(directory);
      rig.track(machine);
      return machine;
    },
    renew: (identity, asked) => rig.authority.issue(identity, asked),
    log: silentLogger,
  });
  if (migration === undefined) throw new Error('Nothing was recovered');
  rig.onEnd(() => migration.close());
  return migration;
}

describe('a handover that takes longer than its certificates are good for', () => {
  it('is completed by the agent of the source', async () => {
    await using rig = await createRig();
    const target = startTarget(rig.targetOptions());
    rig.onEnd(async () => {
      await target.close();
      await target.machine()?.kill();
    });
    const ports = await target.listening;
    await killAgentIn(rig, 'source', { target: { host: '127.0.0.1', ports }, haltIn: 'Recording' });
    const source = await comeBackLate(rig, 'source');
    await expect(source.done).resolves.toMatchObject({ result: 'succeeded' });
    await expect(target.done).resolves.toMatchObject({ result: 'running' });
  });

  it('is completed by the agent of the target', async () => {
    await using rig = await createRig();
    const agent = await agentOf(rig, 'target', { haltIn: 'Committed' });
    const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: await portsOf(agent) }));
    rig.onEnd(() => source.close());
    await agent.said('halted');
    await agent.kill();
    const target = await comeBackLate(rig, 'target');
    await expect(target.done).resolves.toMatchObject({ result: 'running' });
    await expect(source.done).resolves.toMatchObject({ result: 'succeeded' });
  });
});
