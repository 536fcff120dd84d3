import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { carriersOf, commandLine, residentBytes } from '../src/local/processes.ts';

async function start(...names: string[]) {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log()', ...names]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

it('finds the carriers among the children of a process, and what they hold', async () => {
  const carrier = await start('/somewhere/carrier-main.ts');
  await start('/somewhere/else.ts');
  expect(carriersOf(process.pid)).toEqual([carrier.pid]);
  expect(residentBytes(carrier.pid ?? 0)).toBeGreaterThan(2 ** 20);
  const gone = once(carrier, 'exit');
  carrier.kill('SIGKILL');
  await gone;
  expect([carriersOf(process.pid), commandLine(carrier.pid ?? 0), residentBytes(carrier.pid ?? 0)]).toEqual([
    [],
    [],
    0,
  ]);
});
