import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isObject } from '@godwit/core/json';
import { waitFor } from '@godwit/core/wait';
import type { AgentConfig } from './agent-process.ts';
import type { Rig } from './rig.ts';

const MAIN = new URL('./agent-process.ts', import.meta.url).pathname;

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
