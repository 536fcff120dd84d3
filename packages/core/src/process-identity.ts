import { readFileSync, readdirSync } from 'node:fs';

/** Names one process for good: a pid comes back, the pair of boot and start time does not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of `/proc/<pid>/stat`. */
  readonly startTime: string;
  readonly bootId: string;
}

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Undefined when no process has that pid; a zombie counts as none. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const fields = statFields(pid);
  if (fields === undefined) return undefined;
  const [state] = fields;
  const startTime = fields[19];
  if (state === 'Z' || state === 'X' || startTime === undefined) return undefined;
  return { pid, startTime, bootId: readBootId() };
}

/** Whether a process began the session it runs in. */
export function leadsItsSession(pid: number): boolean {
  return statFields(pid)?.[3] === `${pid}`;
}

export function isSameProcessAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Sends a signal only when the pid still is this very process. Returns whether it was sent. */
export function signalProcess(target: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isSameProcessAlive(target)) return false;
  try {
    return process.kill(target.pid, name);
  } catch {
    return false;
  }
}

/** The process that has `argument` (or `argument` as a part between commas) on its command line. */
export function findProcessByArgument(argument: string): ProcessIdentity | undefined {
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const args = readProc(pid, 'cmdline')?.split('\0') ?? [];
    if (args.some((item) => item === argument || item.split(',').includes(argument))) return identifyProcess(pid);
  }
  return undefined;
}

/** Fields of `/proc/<pid>/stat` from the state on, which is field 3. */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(pid, 'stat');
  // The command name before them may itself hold spaces and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // the process ended, or belongs to somebody who hides it
  }
}
