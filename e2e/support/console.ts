import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { eventually } from './eventually.ts';
import type { GuestUnderTest } from './guest.ts';
import { godwitMain } from './tools.ts';

/** What a command of the guest's shell prints, in one line, asked on its console. */
export async function askGuest({ pair, guest, at }: GuestUnderTest, command: string): Promise<string> {
  // A console begins with what was said before, earlier answers among it.
  const mark = randomBytes(4).toString('hex');
  const answer = new RegExp(`${mark}<([^$>]*)>`);
  const parameters = ['console', guest.name, '--cluster', at.cluster.name, '--dir', pair.directory];
  const child = spawn(process.execPath, [godwitMain, ...parameters]);
  let said = '';
  // Typed once, and again only when it seems to have been lost: the shell takes one key after another.
  let askAgainAt = 0;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    await eventually('the console to be there', () => said.includes('Connected to'));
    return await eventually(`the guest to answer ${command}`, () => {
      const found = answer.exec(said)?.[1];
      if (found === undefined && performance.now() >= askAgainAt) {
        child.stdin.write(`\necho "${mark}<$(${command})>"\n`);
        askAgainAt = performance.now() + 5_000;
      }
      return found;
    });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
