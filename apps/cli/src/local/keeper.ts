import { identifyProcess, isSameProcessAlive, signalProcess } from '@godwit/core/process-identity';
import type { ProcessIdentity } from '@godwit/core/process-identity';
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { backoffMs } from '@godwit/core/backoff';
import type { Logger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { PlannedProcess } from './plan.ts';
import { daemonArguments, daemonEnvironment } from './daemon.ts';

const POLL_MS = 250;
const STEADY_MS = 30_000;
const STOP_GRACE_MS = 8_000;

export interface KeptProcess {
  readonly name: string;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** How often in a row it ended soon after its start; 0 once it has lasted. */
  readonly vainStarts: number;
}

export interface Keeper {
  readonly plan: PlannedProcess;
  state(): KeptProcess;
  /** Somebody wants it to run now: earlier failures are forgotten. */
  retry(): void;
  /** Ends the process: SIGTERM, then SIGKILL. It is not started again. */
  stop(): Promise<void>;
}

function readIdentity(file: string): ProcessIdentity | undefined {
  try {
    const identity = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return isSameProcessAlive(identity) ? identity : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keeps one process running for ever: adopts it when an earlier supervisor left it behind, starts it otherwise, and
 * starts it again when it ends (at once, then with growing pauses while it keeps ending early).
 */
export function keep(plan: PlannedProcess, recordDirectory: string, log: Logger): Keeper {
  const recordFile = join(recordDirectory, `${plan.name.replace('/', '-')}.json`);
  let identity: ProcessIdentity | undefined;
  let restarts = 0;
  let earlyExits = 0;
  let startedAt = 0;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    mkdirSync(dirname(plan.logFile), { recursive: true });
    const output = openSync(plan.logFile, 'a', 0o600);
    const child = spawn(process.execPath, [...daemonArguments, plan.script, '--config', plan.configFile], {
      detached: true,
      stdio: ['ignore', output, output],
      env: daemonEnvironment(),
    });
    closeSync(output);
    child.on('error', (error) => log.error({ process: plan.name, error: error.message }, 'cannot start process'));
    child.unref();
    startedAt = Date.now();
    identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (identity) writeFileSync(recordFile, JSON.stringify(identity), { mode: 0o600 });
    log.info({ process: plan.name, pid: child.pid }, 'started process');
  }

  function watch(): void {
    if (stopping) return;
    let pause = POLL_MS;
    if (!identity || !isSameProcessAlive(identity)) {
      earlyExits = Date.now() - startedAt > STEADY_MS ? 0 : earlyExits + 1;
      const wait = earlyExits <= 1 ? 0 : backoffMs(earlyExits - 2, 200, 5_000);
      if (Date.now() - startedAt >= wait) {
        log.warn({ process: plan.name, restarts }, 'process ended; starting it again');
        restarts += 1;
        start();
      } else {
        earlyExits -= 1;
        pause = Math.min(wait, 1_000);
      }
    }
    timer = setTimeout(watch, pause);
  }

  mkdirSync(recordDirectory, { recursive: true });
  identity = readIdentity(recordFile);
  if (identity) log.info({ process: plan.name, pid: identity.pid }, 'adopted running process');
  else start();
  timer = setTimeout(watch, POLL_MS);

  return {
    plan,
    state: () => ({
      name: plan.name,
      pid: identity && isSameProcessAlive(identity) ? identity.pid : undefined,
      restarts,
      vainStarts: Date.now() - startedAt > STEADY_MS ? 0 : earlyExits,
    }),
    retry() {
      if (stopping || (identity && isSameProcessAlive(identity))) return;
      earlyExits = 0;
      clearTimeout(timer);
      watch();
    },
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const target = identity;
      if (target && signalProcess(target, 'SIGTERM')) {
        const gone = waitFor(() => !isSameProcessAlive(target), {
          timeoutMs: STOP_GRACE_MS,
          what: `${plan.name} to end`,
        });
        await gone.catch(() => signalProcess(target, 'SIGKILL'));
      }
      rmSync(recordFile, { force: true });
    },
  };
}
