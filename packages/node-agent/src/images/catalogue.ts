import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import { matchReference } from './reference.ts';

/** Entries of `catalogue.json`: a reference to a file name, or to an object with a `file`. Paths are relative to it. */
function readEntries(value: unknown, directory: string): Map<string, string> {
  const entries = new Map<string, string>();
  const table = isObject(value) && isObject(value.images) ? value.images : value;
  if (!isObject(table)) throw new GodwitError('CATALOGUE_INVALID', `${directory}/catalogue.json must hold an object`);
  for (const [reference, entry] of Object.entries(table)) {
    const file = isObject(entry) ? (entry.file ?? entry.path) : entry;
    if (typeof file === 'string') entries.set(reference, resolve(directory, file));
  }
  return entries;
}

/** Absolute path of the file that stands for a reference or URL; `undefined` when the catalogue does not know it. */
export async function findInCatalogue(directory: string, wanted: string): Promise<string | undefined> {
  let text;
  try {
    text = await readFile(resolve(directory, 'catalogue.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return matchReference(readEntries(JSON.parse(text), directory), wanted);
}
