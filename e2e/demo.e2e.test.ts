import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const GODWIT = fileURLToPath(new URL('../apps/cli/bin/godwit.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'godwit demo ')); // people have spaces in their paths

afterAll(() => {
  spawnSync(process.execPath, [GODWIT, 'down', '--dir', directory]);
  rmSync(directory, { recursive: true, force: true });
});

it('the demo moves a guest in all ways, proves that nothing was lost, and leaves nothing running', () => {
  const json = join(directory, 'report.json');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [GODWIT, 'demo', '--dir', join(directory, 'data'), '--json', json],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('Nothing was lost.');
  const report: unknown = JSON.parse(readFileSync(json, 'utf8'));
  const move = (kind: string) =>
    expect.objectContaining({
      kind,
      totalMs: expect.any(Number),
      bytes: expect.any(Number),
      downtimeMs: expect.any(Number),
      guestGapMs: expect.any(Number),
    });
  expect(report).toMatchObject({
    moves: ['storage', 'node', 'storage', 'cluster', 'storage'].map(move),
    oracle: { lost: 0, corrupt: 0 },
    reboots: 0,
    runnersMax: 1,
  });
  expect(existsSync(join(directory, 'data', 'state.json'))).toBe(true);
  const left = spawnSync(process.execPath, [GODWIT, 'status', '--dir', join(directory, 'data')], { encoding: 'utf8' });
  expect(left.stdout).toContain('it is down');
});
