import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const module = fileURLToPath(new URL('../src/spare-carrier.ts', import.meta.url));
const LIMIT_MS = 20_000;

/** What a process says that runs this with at most so many open files. */
async function run(script: string, openFiles: number): Promise<string> {
  const program = `import { expectCarrier, takeCarrier } from ${JSON.stringify(module)};\n${script}`;
  const command = `ulimit -n ${openFiles}; exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', command, process.execPath, program], {
    timeout: LIMIT_MS,
  });
  return stdout.trim();
}

it('keeps nobody from ending who has nothing else to do', async () => {
  expect(await run(`expectCarrier(); process.on('exit', () => console.log('over'));`, 1024)).toBe('over');
});

it('that cannot be made harms nobody', async () => {
  const script = `
    import { openSync } from 'node:fs';
    await import('node:timers/promises');
    try { for (;;) openSync('/dev/null'); } catch {}
    expectCarrier();
    setTimeout(() => process.stdout.write('alive'), 100);`;
  expect(await run(script, 64)).toBe('alive');
});

it('is used once, and ends with who wanted it', async () => {
  const script = `
    expectCarrier();
    const [first, second] = [takeCarrier(), takeCarrier()];
    const ended = (child) => new Promise((resolve) => child.once('exit', resolve));
    console.log(first.pid !== second.pid);
    for (const child of [first, second]) child.stdin.end();
    await Promise.all([first, second].map(ended));`;
  expect(await run(script, 1024)).toBe('true');
});
