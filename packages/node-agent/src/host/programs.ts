import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** Called with every piece of standard output as it comes. */
  readonly onOutput?: (text: string) => void;
}

const KEPT_OUTPUT = 1 << 20;

/** Runs a program to its end and resolves with its standard output. Rejects with `PROGRAM_FAILED` carrying stderr's end. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal && { signal: options.signal }),
      ...(options.env && { env: options.env }),
    });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_OUTPUT);
      options.onOutput?.(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-4096);
    });
    child.on('error', (cause) =>
      reject(new GodwitError('PROGRAM_FAILED', `${program} could not run`, { cause, details: { program } })),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output);
      const why = complaint.trim() === '' ? `exit status ${code ?? signal}` : complaint.trim();
      reject(new GodwitError('PROGRAM_FAILED', `${program} failed: ${why}`, { details: { program, code, signal } }));
    });
  });
}

/** Absolute path of the first of these programs that is installed. */
export async function findProgram(
  programs: readonly string[],
  searchPath: string,
): Promise<{ name: string; path: string } | undefined> {
  for (const name of programs)
    for (const directory of searchPath.split(delimiter)) {
      if (directory === '') continue;
      const path = join(directory, name);
      try {
        await access(path, constants.X_OK);
        return { name, path };
      } catch {
        // Not here; the next directory may have it.
      }
    }
  return undefined;
}
