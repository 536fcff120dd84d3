import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const godwitMain = fileURLToPath(new URL('../../apps/cli/bin/godwit.js', import.meta.url));

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; `input` goes to its standard input. */
export async function run(
  program: string,
  parameters: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
): Promise<Finished> {
  const child = spawn(program, parameters, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined); // a program that reads nothing
  child.stdin.end(options.input ?? '');
  const ended = Promise.withResolvers<number | null>();
  child.once('error', ended.reject).once('close', ended.resolve);
  return { status: await ended.promise, stdout, stderr };
}

/** The command line of this checkout, on one directory. */
export async function godwit(directory: string, ...parameters: readonly string[]): Promise<Finished> {
  return run(process.execPath, [godwitMain, ...parameters, '--dir', directory]);
}

/** What a program said, for assertions that show all of it when they fail. */
export function said({ status, stdout, stderr }: Finished): string {
  return `${stdout}${stderr}(exit status ${status})`;
}
