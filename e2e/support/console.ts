import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { eventually } from './eventually.ts';
import type { GuestUnderTest } from './guest.ts';
import { godwitMain } from './tools.ts';

/** A terminal at the guest's serial port. */
export interface Console extends AsyncDisposable {
  /** Everything that it has shown, beginning with what was said before it was opened. */
  said(): string;
  /** Types a line and resolves once `probe` gives something; the line is typed again when it seems to have been lost. */
  type<T>(line: string, what: string, probe: () => T | Promise<T>): Promise<Exclude<T, undefined | false>>;
}

export async function openConsole({ pair, guest, at }: GuestUnderTest): Promise<Console> {
  const parameters = ['console', guest.name, '--cluster', at.cluster.name, '--dir', pair.directory];
  const child = spawn(process.execPath, [godwitMain, ...parameters]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  child.stdin.on('error', () => undefined); // it ends with its guest
  const ended = new Promise((resolve) => child.once('close', resolve));
  const opened: Console = {
    said: () => said,
    async type(line, what, probe) {
      // The shell takes one key after another, and may have been asleep.
      let againAt = 0;
      return eventually(what, async () => {
        const found = await probe();
        if ((found === undefined || found === false) && performance.now() >= againAt) {
          child.stdin.write(`\n${line}\n`);
          againAt = performance.now() + 5_000;
        }
        return found;
      });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
  try {
    await eventually('the console to be there', () => said.includes('Connected to'));
    return opened;
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a command of the guest's shell prints, in one line, asked on its console. */
export async function askGuest(subject: GuestUnderTest, command: string): Promise<string> {
  // A console begins with what was said before, earlier answers among it.
  const mark = randomBytes(4).toString('hex');
  const answer = new RegExp(`${mark}<([^$>]*)>`);
  await using terminal = await openConsole(subject);
  return await terminal.type(
    `echo "${mark}<$(${command})>"`,
    `the guest to answer ${command}`,
    () => answer.exec(terminal.said())?.[1],
  );
}
