// All checks and tests, under the Node that the project ships (node_modules/.bin/node). Everything runs even after a failure, so
// that one run shows all of it; its end says which tests failed and why, and the last line counts them. Arguments choose vitest
// projects: `npm test -- unit`.
//
// Exit status: 0 when every check and every test passed, else 1.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const node = existsSync(join(bin, 'node')) ? join(bin, 'node') : process.execPath;
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };

const checks = [
  ['types', 'tsc', '-p', '.', '--noEmit'],
  ['lint', 'oxlint', '--type-aware', '--quiet'],
  ['format', 'oxfmt', '--check', '.'],
];
const all = ['unit', 'integration', 'e2e'];
/** Take too long to run every time: only when they are asked for. */
const onRequest = ['soak'];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => ![...all, ...onRequest].includes(name));
if (unknown.length > 0) {
  process.stderr.write(
    `Unknown test projects: ${unknown.join(', ')}. There are: ${[...all, ...onRequest].join(', ')}\n`,
  );
  process.exit(1);
}
const projects = asked.length > 0 ? asked : all;

function run(program, ...args) {
  const { status, error } = spawnSync(node, [join(bin, program), ...args], { cwd: root, stdio: 'inherit', env });
  if (error) process.stderr.write(`${program}: ${error.message}\n`);
  return status ?? 1;
}

/** What failed in a report of vitest, with its reason: tests, and files that could not be run or ended badly. */
function reasonsOf({ testResults }) {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const tests = assertionResults.filter((test) => test.status === 'failed');
    const whole = status === 'failed' && message ? [`${file}\n${ownLines([message])}`] : [];
    return [...whole, ...tests.map((test) => `${file}: ${test.fullName}\n${ownLines(test.failureMessages)}`)];
  });
}

/** Messages without the lines of their stacks that lead through the test runner. */
function ownLines(messages) {
  const lines = messages.join('\n').split('\n');
  return lines.filter((line) => !/^\s+at (new Promise|.*node_modules)/.test(line)).join('\n');
}

const failures = [];
const reasons = [];
for (const [name, program, ...args] of asked.length > 0 ? [] : checks) {
  process.stdout.write(`\n== ${name}\n`);
  if (run(program, ...args) !== 0) failures.push(name);
}

let passed = 0;
let failed = 0;
const scratch = mkdtempSync(join(tmpdir(), 'godwit-test-'));
for (const project of projects) {
  process.stdout.write(`\n== ${project} tests\n`);
  const output = join(scratch, `${project}.json`);
  const status = run(
    'vitest',
    'run',
    '--project',
    project,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
  );
  if (status !== 0) failures.push(`${project} tests`);
  if (!existsSync(output)) continue;
  const report = JSON.parse(readFileSync(output, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  const found = reasonsOf(report);
  if (status !== 0 && found.length === 0) found.push(`${project} tests: outside of any test, see above`);
  reasons.push(...found);
}
rmSync(scratch, { recursive: true, force: true });

for (const reason of reasons) process.stdout.write(`\nFAILED ${reason}\n`);
process.stdout.write(failures.length > 0 ? `\nNot passed: ${failures.join(', ')}\n` : '\n');
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failures.length > 0 ? 1 : 0;
