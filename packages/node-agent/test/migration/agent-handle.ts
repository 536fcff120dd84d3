import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isObject } from '@godwit/core/json';
import { waitFor } from '@godwit/core/wait';
import { expect } from 'vitest';
import type { AgentConfig } from './agent-process.ts';
import { DISK, type Rig } from './rig.ts';

const MAIN = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

export interface AgentHandle {
  /** Waits for a line with this key and gives its value. */
  said(key: 'ports' | 'halted' | 'outcome'): Promise<unknown>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

export async function startAgent(rig: Rig, config: AgentConfig): Promise<AgentHandle> {
  const path = join(rig.directory, `${config.role}-agent.json`);
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  const child = spawn(process.execPath, [MAIN, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) lines.push(value);
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const handle: AgentHandle = {
    async said(key) {
      const line = await waitFor(() => lines.find((one) => key in one), {
        timeoutMs: 30_000,
        what: `${config.role} to say ${key}`,
      });
      return line[key];
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
  rig.onEnd(() => handle.kill());
  return handle;
}

/** The agent that works on this rig's guest in that role, with `work` beside what follows from it; it has QEMU's monitor. */
export function agentOf(
  rig: Rig,
  role: AgentConfig['role'],
  work: Partial<AgentConfig> & Pick<AgentConfig, 'haltIn'>,
): Promise<AgentHandle> {
  const { identity, spec } = rig;
  const common = { role, identity, configuration: {} };
  if (role === 'target') {
    const { targetDirectory: directory, targetCredentials: credentials, targetImage: image } = rig;
    return startAgent(rig, { ...common, journalDir: rig.journals.target, directory, credentials, image, ...work });
  }
  // The monitor takes one client.
  rig.machine.disconnect();
  const { sourceCredentials: credentials } = rig;
  const { directory } = rig.machine;
  const mine = { journalDir: rig.journals.source, directory, credentials, spec, copyDisks: [DISK] };
  return startAgent(rig, { ...common, ...mine, ...work });
}

/** Such an agent is killed where it stands still in phase `haltIn`. */
export async function killAgentIn(...[rig, role, work]: Parameters<typeof agentOf>): Promise<void> {
  const agent = await agentOf(rig, role, work);
  expect(await agent.said('halted')).toBe(work.haltIn);
  await agent.kill();
}

/** The ports on which the agent of a target listens. */
export async function portsOf(agent: AgentHandle): Promise<NonNullable<AgentConfig['target']>['ports']> {
  // The cast is safe: agent-process.ts prints the ports of `listening`.
  return (await agent.said('ports')) as NonNullable<AgentConfig['target']>['ports'];
}

/** Carriers that this very process has started, oldest first. */
export function carrierPids(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid)) return [];
    try {
      const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return parent === process.pid && command.includes('carrier-main') ? [pid] : [];
    } catch {
      return []; // it ended in between
    }
  });
}
