import { readdirSync, readFileSync } from 'node:fs';

/** Resident memory in bytes, or 0 when the process is gone. */
export function residentBytes(pid: number): number {
  try {
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Program and arguments; empty when the process is gone. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Processes that carry the bytes of this process's migrations, while there are any. */
export function carriersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandLine(child).some((part) => part.endsWith('/carrier-main.ts')));
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return lists.flatMap((list) =>
      list
        .split(' ')
        .filter((child) => child !== '')
        .map(Number),
    );
  } catch {
    // The process is gone, or a thread of it.
    return [];
  }
}
