import { spawn } from 'node:child_process';
import { GodwitError } from '@godwit/core/errors';

export interface Finished {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a program to its end, at most `timeoutMs`. */
export async function tryCommand(
  program: string,
  parameters: readonly string[],
  timeoutMs = 120_000,
): Promise<Finished> {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const impatient = setTimeout(() => {
    output += `\n${program} did not end within ${timeoutMs / 1000} s`;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    return await new Promise<Finished>((resolve) => {
      child.once('error', (error) => resolve({ status: null, output: error.message }));
      child.once('close', (status) => resolve({ status, output: output.trim() }));
    });
  } finally {
    clearTimeout(impatient);
  }
}

/** The output of a program; rejects with BENCH_TOOL_FAILED when it fails. */
export async function command(program: string, ...parameters: readonly string[]): Promise<string> {
  const { status, output } = await tryCommand(program, parameters);
  if (status !== 0) throw new GodwitError('BENCH_TOOL_FAILED', `${program} ${parameters.join(' ')}: ${output}`);
  return output;
}
