import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SOURCES = join(import.meta.dirname, '../src/migration');

it('reasons that the documentation explains are those that migrations give', () => {
  const code = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(SOURCES, name), 'utf8'))
    .join('\n');
  const document = readFileSync(join(import.meta.dirname, '../../../docs/reference/migrations.md'), 'utf8');
  const rows = document.split('\n').filter((line) => line.startsWith('| `'));
  const reasons = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([A-Za-z]+)`/g)].map((match) => match[1] ?? ''),
  );
  expect(reasons.length).toBeGreaterThan(20);
  expect(reasons.filter((reason) => !code.includes(`'${reason}'`))).toEqual([]);
});
