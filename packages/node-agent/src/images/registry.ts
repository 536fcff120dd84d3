import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import { exists, publishFile } from '../host/files.ts';
import { findProgram, runProgram } from '../host/programs.ts';
import { findInCatalogue } from './catalogue.ts';
import { parseReference } from './reference.ts';

export interface ImageStore {
  /** The disk image of a container disk reference. Rejects with `IMAGE_UNAVAILABLE` saying what would help. */
  containerDisk(reference: string, signal?: AbortSignal): Promise<string>;
  /** The catalogue's file for a URL, if it has one. */
  file(url: string): Promise<string | undefined>;
}

/** Resolves references through the catalogue first, then through images pulled earlier, then by pulling with skopeo. */
export function createImageStore(options: {
  readonly catalogue: string;
  readonly cache: string;
  readonly searchPath: string;
}): ImageStore {
  const { catalogue, cache, searchPath } = options;
  const pulls = new Map<string, Promise<string>>();

  async function pull(reference: string, to: string, signal?: AbortSignal): Promise<string> {
    if (await exists(to)) return to;
    const skopeo = await findProgram(['skopeo'], searchPath);
    if (!skopeo)
      throw new GodwitError(
        'IMAGE_UNAVAILABLE',
        `image ${reference} is not in the local catalogue and skopeo is not installed; add it with "godwit image add ${reference}=FILE"`,
      );
    await mkdir(cache, { recursive: true });
    const work = await mkdtemp(join(cache, 'pull-'));
    try {
      const layers = join(work, 'layers');
      const { repository, version } = parseReference(reference);
      const separator = version?.includes(':') ? '@' : ':';
      const source = `docker://${repository}${version === undefined ? '' : `${separator}${version}`}`;
      const run = signal === undefined ? {} : { signal };
      await runProgram(skopeo.path, ['copy', '--quiet', '--override-os', 'linux', source, `dir:${layers}`], run);
      const image = await extractDisk(layers, work, run);
      if (image === undefined)
        throw new GodwitError('IMAGE_UNAVAILABLE', `image ${reference} holds no file below /disk`);
      await publishFile(image, to);
      return to;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  return {
    async containerDisk(reference, signal) {
      const local = await findInCatalogue(catalogue, reference);
      if (local !== undefined) {
        if (await exists(local)) return local;
        throw new GodwitError(
          'IMAGE_UNAVAILABLE',
          `the catalogue names ${local} for ${reference}, but it is not there`,
        );
      }
      const to = join(cache, `${createHash('sha256').update(reference).digest('hex').slice(0, 32)}.img`);
      const running = pulls.get(to) ?? pull(reference, to, signal).finally(() => pulls.delete(to));
      pulls.set(to, running);
      return running;
    },
    file: (url) => findInCatalogue(catalogue, url),
  };
}

/** Unpacks `/disk` of an image that skopeo stored as a directory; the first file of the uppermost layer that has one wins. */
async function extractDisk(layers: string, work: string, run: { signal?: AbortSignal }): Promise<string | undefined> {
  const manifest: unknown = JSON.parse(await readFile(join(layers, 'manifest.json'), 'utf8'));
  const list = isObject(manifest) && Array.isArray(manifest.layers) ? manifest.layers : [];
  for (const [index, layer] of list.toReversed().entries()) {
    if (!isObject(layer) || typeof layer.digest !== 'string') continue;
    const blob = join(layers, layer.digest.replace(/^sha256:/, ''));
    const names = (await runProgram('tar', ['-tf', blob], run)).split('\n');
    const wanted = names.find((name) => /^(?:\.\/)?disk\/[^/]+$/.test(name));
    if (wanted === undefined) continue;
    const into = join(work, `disk-${index}`);
    await mkdir(into);
    await runProgram('tar', ['-xf', blob, '-C', into, '--strip-components=1', '--no-same-owner', wanted], run);
    // A link would make a file of this host the guest's disk.
    const file = (await readdir(into, { withFileTypes: true })).find((entry) => entry.isFile());
    if (file !== undefined) return join(into, file.name);
  }
  return undefined;
}
