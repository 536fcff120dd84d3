import { execFile } from 'node:child_process';
import { GodwitError } from '@godwit/core/errors';

/** Runs a program to its end and resolves with its standard output; rejects with `GUEST_TOOL_FAILED` and its last words. */
export function runTool(program: string, args: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C', MTOOLS_SKIP_CHECK: '1' };
    execFile(program, [...args], { ...options, env, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-5).join('\n');
      reject(new GodwitError('GUEST_TOOL_FAILED', `${program} ${args.join(' ')} failed: ${said}`, { cause: error }));
    });
  });
}
