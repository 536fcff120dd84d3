import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { GodwitError } from '@godwit/core/errors';
import { layoutOf } from '../../local/layout.ts';
import { planProcesses } from '../../local/plan.ts';
import { readState } from '../../local/state.ts';

/** Prints whole log files, or follows them; several files are headed by their names. */
export async function runLogs(name: string | undefined, options: { dir: string; follow: boolean }): Promise<void> {
  const layout = layoutOf(options.dir);
  const state = await readState(layout);
  const planned = [
    { name: 'supervisor', logFile: layout.supervisorLog },
    ...(state ? planProcesses(layout, state) : []),
  ];
  const wanted = planned.filter(
    (candidate) => name === undefined || candidate.name === name || candidate.name.startsWith(`${name}/`),
  );
  const files = wanted.map((candidate) => candidate.logFile).filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new GodwitError(
      'LOG_MISSING',
      `There is no log of "${name ?? 'any process'}"; processes: ${planned.map((candidate) => candidate.name).join(', ') || 'none'}`,
    );
  }
  const child = spawn('tail', [...(options.follow ? ['-F'] : []), '-n', '+1', ...files], { stdio: 'inherit' });
  await new Promise((resolve) => child.once('exit', resolve));
}
