import { mkdirSync, writeFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createJsonLog } from '@godwit/core/json-log';
import { askSupervisor, serveControl } from './control.ts';
import type { ControlReply } from './control.ts';
import { keep } from './keeper.ts';
import type { Keeper } from './keeper.ts';
import type { Layout } from './layout.ts';
import { planProcesses } from './plan.ts';
import type { PlannedProcess } from './plan.ts';
import { readState } from './state.ts';

/**
 * The process that keeps all processes of a directory's clusters running. It holds no state of its own: killed and
 * started again it adopts what runs. Guests never depend on it.
 */
export async function runSupervisor(layout: Layout): Promise<void> {
  const log = createJsonLog({ fields: { component: 'supervisor' }, write: (line) => process.stdout.write(line) });
  mkdirSync(layout.sockets, { recursive: true, mode: 0o700 });
  if (await askSupervisor(layout.controlSocket, { do: 'status' })) {
    log.info({}, 'another supervisor runs here');
    return;
  }
  const keepers = new Map<string, Keeper>();
  const records = join(layout.root, 'run');

  async function load(): Promise<void> {
    const state = await readState(layout);
    for (const planned of state ? planProcesses(layout, state) : []) {
      if (keepers.has(planned.name)) continue;
      writeConfig(planned);
      keepers.set(planned.name, keep(planned, records, log));
    }
  }
  const reply = (): ControlReply => ({
    pid: process.pid,
    processes: [...keepers.values()].map((keeper) => keeper.state()),
  });
  async function stopAll(): Promise<void> {
    const all = [...keepers.values()];
    // Agents and controllers first: they end cleanly while they still can reach their API server.
    await Promise.all(all.filter((keeper) => !keeper.plan.name.endsWith('/api-server')).map((keeper) => keeper.stop()));
    await Promise.all(all.map((keeper) => keeper.stop()));
  }

  const server = await serveControl(layout.controlSocket, async (request) => {
    switch (request.do) {
      case 'status':
        return reply();
      case 'reload':
        for (const keeper of keepers.values()) keeper.retry();
        await load();
        return reply();
      case 'stop': {
        await stopAll();
        const last = reply();
        server.close();
        setTimeout(() => process.exit(0), 500).unref(); // oxlint-disable-line unicorn/no-process-exit -- last resort after an orderly stop
        return last;
      }
    }
  });
  await load();
  const quit = (): void => {
    void stopAll().then(() => server.close());
  };
  process.on('SIGTERM', quit);
  process.on('SIGINT', quit);
}

/** Config files are rewritten only when they differ, so that a running process never sees a half-written one. */
function writeConfig(planned: PlannedProcess): void {
  const text = `${JSON.stringify(planned.config, null, 2)}\n`;
  mkdirSync(dirname(planned.configFile), { recursive: true, mode: 0o700 });
  if (existsSync(planned.configFile) && readFileSync(planned.configFile, 'utf8') === text) return;
  writeFileSync(planned.configFile, text, { mode: 0o600 });
}
