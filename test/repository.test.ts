import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compatibilityTables } from '@godwit/api';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Layers from the bottom up; a package may import from layers below its own, and what its own line allows. */
const LAYERS: readonly (readonly string[])[] = [
  ['core'],
  ['api'],
  ['store', 'kube-client', 'qmp', 'migration'],
  ['api-server', 'reconcile', 'hypervisor', 'migration-link'],
  ['controllers', 'node-agent', 'virt-api', 'guest'],
];

function sources(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (name === 'node_modules') return [];
    if (statSync(path).isDirectory()) return sources(path);
    return /\.tsx?$/.test(name) ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(@godwit\/[a-z-]+)/g)].map(
    (match) => match[1]?.slice('@godwit/'.length) ?? '',
  );
}

const isTest = (file: string): boolean => /\.test\.ts$|\/testing\/|\/test\//.test(file);

describe('packages', () => {
  it('import only from layers below their own', () => {
    const wrong = LAYERS.flatMap((layer, level) =>
      layer.flatMap((name) => {
        const below = new Set([name, ...LAYERS.slice(0, level).flat()]);
        return sources(join(ROOT, 'packages', name, 'src'))
          .filter((file) => !isTest(file))
          .flatMap((file) =>
            importsOf(file)
              .filter((target) => !below.has(target))
              .map((target) => `${file.slice(ROOT.length)} imports ${target}`),
          );
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('name in package.json what they import', () => {
    const wrong = LAYERS.flat().flatMap((name) => {
      const manifest = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>;
        devDependencies?: Record<string, string>;
      };
      const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
      const used = new Set(
        sources(join(ROOT, 'packages', name, 'src'))
          .filter((file) => !isTest(file))
          .flatMap(importsOf),
      );
      return [...used]
        .filter((target) => target !== name && !declared.has(`@godwit/${target}`))
        .map((target) => `${name} uses ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('are all in the picture', () => {
    expect(
      readdirSync(join(ROOT, 'packages'))
        .filter((name) => statSync(join(ROOT, 'packages', name)).isDirectory())
        .toSorted(),
    ).toEqual(LAYERS.flat().toSorted());
  });

  it('each have a README', () => {
    for (const name of LAYERS.flat())
      expect(readFileSync(join(ROOT, 'packages', name, 'README.md'), 'utf8'), name).toMatch(/^# @godwit\//);
  });
});

describe('documents', () => {
  it('hold the current compatibility table', () => {
    expect(readFileSync(join(ROOT, 'docs/reference/compatibility.md'), 'utf8')).toContain(compatibilityTables());
  });

  it('list every metric, and no other', () => {
    const document = readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8');
    const documented = [...document.matchAll(/^\| `((?:kubevirt|godwit)_[a-z_]+)` \|/gm)].map(
      (match) => match[1] ?? '',
    );
    const declared = ['packages/controllers/src/metrics', 'packages/node-agent/src/endpoint']
      .flatMap((folder) => sources(join(ROOT, folder)))
      .filter((file) => !isTest(file))
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/'((?:kubevirt|godwit)_[a-z_]+)'/g)])
      .map((match) => match[1] ?? '');
    expect(documented.toSorted()).toEqual(declared.toSorted());
  });

  it('list every error code, and no other', () => {
    const document = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8');
    const documented = [...document.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map((match) => match[1] ?? '').toSorted();
    const files = ['packages', 'apps'].flatMap((top) => sources(join(ROOT, top))).filter((file) => !isTest(file));
    const pattern = /(?:\w*Error|refused|failure|super)(?:<[^(]*?>)?\(\s*'([A-Z][A-Z0-9]*_[A-Z0-9_]+)'/g;
    const codes = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(pattern)].map((match) => match[1]));
    const used = [...new Set(codes)].map(String);
    expect(documented).toEqual(used.toSorted());
  });
});
