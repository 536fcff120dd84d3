import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isGodwitError, GodwitError } from '@godwit/core/errors';
import { namesIn } from '../host/files.ts';

export type JournalRole = 'source' | 'target' | 'in-place';

/**
 * One migration's durable memory on this node: `context` holds what a restart needs and changes rarely (keys included, so
 * the directory is private), `record` the last decision. The context is replaced whole; records are appended, a line each,
 * since they are written while the guest is paused and one flush is all that costs. A line counts once its end is there,
 * so after a crash the old or the new record holds, never a mixture.
 */
export interface Journal {
  readonly id: string;
  readonly role: JournalRole;
  /** Durable when it resolves. Rejects with JOURNAL_WRITE_FAILED; `details.certain` tells that the old text still holds. */
  writeRecord(record: object): Promise<void>;
  writeContext(context: object): Promise<void>;
  readRecord(): Promise<unknown>;
  readContext(): Promise<unknown>;
  remove(): Promise<void>;
}

export function openJournal(directory: string, id: string, role: JournalRole): Journal {
  const path = (part: string) => join(directory, `${role}-${id}.${part}.json`);
  return {
    id,
    role,
    writeRecord: (record) => appendLine(directory, path('record'), record),
    writeContext: (context) => replaceFile(directory, path('context'), context),
    readRecord: () => readLastLine(path('record')),
    readContext: () => readJson(path('context')),
    async remove() {
      // The record goes last: a context alone means that nothing had begun.
      await rm(path('context'), { force: true });
      await rm(path('record'), { force: true });
      await syncDirectory(directory);
    },
  };
}

/** Every migration that has left something in this directory. */
export async function listJournals(directory: string): Promise<readonly Journal[]> {
  const names = await namesIn(directory);
  return names.flatMap((name) => {
    const match = /^(source|target|in-place)-(.+)\.context\.json$/.exec(name);
    const [, role, id] = match ?? [];
    // The cast is safe: the pattern allows these roles only.
    return role === undefined || id === undefined ? [] : [openJournal(directory, id, role as JournalRole)];
  });
}

async function replaceFile(directory: string, path: string, value: object): Promise<void> {
  let certain = true;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(value));
      await file.datasync();
    } finally {
      await file.close();
    }
    certain = false;
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (cause) {
    throw writeFailed(path, certain, cause);
  }
}

async function appendLine(directory: string, path: string, value: object): Promise<void> {
  let certain = true;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await using file = await open(path, 'a+', 0o600);
    const before = await file.readFile();
    // Half a line, left by a machine that failed, must not be completed by the next one.
    const size = before.lastIndexOf('\n') + 1;
    if (size < before.length) await file.truncate(size);
    certain = false;
    try {
      await file.appendFile(`${JSON.stringify(value)}\n`);
    } catch (error) {
      await file.truncate(size);
      certain = true;
      throw error;
    }
    await file.datasync();
    if (size === 0) await syncDirectory(directory);
  } catch (cause) {
    throw writeFailed(path, certain, cause);
  }
}

async function readLastLine(path: string): Promise<unknown> {
  // What follows the last end of a line was being written when the agent or the machine ended.
  const last = (await readText(path))?.split('\n').slice(0, -1).at(-1);
  return last === undefined ? undefined : parse(last, path);
}

function writeFailed(path: string, certain: boolean, cause: unknown): GodwitError<'JOURNAL_WRITE_FAILED'> {
  return new GodwitError('JOURNAL_WRITE_FAILED', `Cannot record ${path}`, {
    details: { path, certain },
    cause,
    retry: 'backoff',
  });
}

/** Whether the failed write certainly left the old text in place. */
export function isCertainlyUnwritten(error: unknown): boolean {
  return isGodwitError(error, 'JOURNAL_WRITE_FAILED') && 'certain' in error.details && error.details.certain === true;
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  return text === undefined ? undefined : parse(text, path);
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GodwitError('JOURNAL_UNREADABLE', `Cannot read ${path}`, { cause });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new GodwitError('JOURNAL_UNREADABLE', `Cannot read ${path}`, { cause });
  }
}
